use std::fmt::Write;

use super::*;

/// The tree with a bracket around every operation.
fn tree(expr: &Expr) -> String {
    match &expr.kind {
        ExprKind::Null => "null".into(),
        ExprKind::Bool(value) => value.to_string(),
        ExprKind::Int(value) => value.to_string(),
        ExprKind::Float(value) => format!("{value:?}"),
        ExprKind::Imaginary(value) => format!("{value:?}j"),
        ExprKind::Text(text) => format!("'{text}'"),
        ExprKind::List(items) => format!("[{}]", items.iter().map(tree).collect::<Vec<_>>().join(", ")),
        ExprKind::Name(path) => names(path),
        ExprKind::Query(span) => format!("query {}..{}", span.start, span.end),
        ExprKind::Unary { op, operand } => match op {
            UnaryOp::Plus => format!("(+{})", tree(operand)),
            UnaryOp::Minus => format!("(-{})", tree(operand)),
            UnaryOp::Invert => format!("(~{})", tree(operand)),
            UnaryOp::Not => format!("(NOT {})", tree(operand)),
        },
        ExprKind::Binary { op, left, right, .. } => format!("({} {} {})", tree(left), op.symbol(), tree(right)),
        ExprKind::Call { function, arguments } => format!("{}({})", names(function), call(arguments)),
        ExprKind::Method { receiver, method, arguments } => {
            format!("{}.{}({})", tree(receiver), method.value, call(arguments))
        }
        ExprKind::Attribute { receiver, name } => format!("{}.{}", tree(receiver), name.value),
        ExprKind::Subscript { base, entries } => {
            let mut text = tree(base);
            let entries: Vec<String> = entries
                .iter()
                .map(|entry| match entry {
                    Entry::Index(index) => tree(index),
                    Entry::Slice { start, stop, step } => {
                        let part = |bound: &Option<Expr>| bound.as_ref().map(tree).unwrap_or_default();
                        format!("{}:{}:{}", part(start), part(stop), part(step))
                    }
                    Entry::Ellipsis => "...".into(),
                    Entry::NewAxis => "newaxis".into(),
                })
                .collect();
            write!(text, "[{}]", entries.join(", ")).unwrap();
            text
        }
    }
}

fn names(path: &[Ident]) -> String {
    path.iter().map(|ident| ident.value.as_str()).collect::<Vec<_>>().join(".")
}

fn call(arguments: &[Argument]) -> String {
    let texts = arguments.iter().map(|argument| match &argument.keyword {
        Some(keyword) => format!("{} => {}", keyword.value, tree(&argument.value)),
        None => tree(&argument.value),
    });
    texts.collect::<Vec<_>>().join(", ")
}

fn parse(text: &str) -> Result<Expr> {
    let mut stream = Stream::new(text)?;
    let expr = expression(&mut stream)?;
    stream.expect_end()?;
    Ok(expr)
}

fn parsed(text: &str) -> String {
    tree(&parse(text).unwrap_or_else(|error| panic!("{text}: {error}")))
}

fn refused(text: &str) -> (String, usize) {
    let error = parse(text).expect_err(text);
    (error.to_string(), error.span().start)
}

#[test]
fn operators_bind_as_in_python() {
    let cases = [
        ("a + b * c - d", "((a + (b * c)) - d)"),
        ("-a ** -b ** c", "(-(a ** (-(b ** c))))"),
        ("2 ** 3 ** 2", "(2 ** (3 ** 2))"),
        ("-2 ** 2", "(-(2 ** 2))"),
        ("-2", "-2"),
        ("- -2.5", "2.5"),
        ("a @ b / c // d % e", "((((a @ b) / c) // d) % e)"),
        ("a | b ^ c & d << e + f", "(a | (b ^ (c & (d << (e + f)))))"),
        ("a < b | c", "(a < (b | c))"),
        ("NOT a = b AND c OR d", "(((NOT (a == b)) AND c) OR d)"),
        ("a AND NOT NOT b", "(a AND (NOT (NOT b)))"),
        ("~a + b", "((~a) + b)"),
        ("a == b != -c", ""),
    ];
    for (text, expected) in &cases[..cases.len() - 1] {
        assert_eq!(&parsed(text), expected, "{text}");
    }
    assert_eq!(refused("a == b != -c").1, 7);
    assert_eq!(refused("a < b < c").1, 6);
    assert_eq!(parsed("(a < b) & (b < c)"), "((a < b) & (b < c))");
    assert_eq!(refused("a == NOT b").1, 5);
}

#[test]
fn subscripts_and_calls_follow_their_operand() {
    let cases = [
        ("x[1]", "x[1]"),
        ("x[::-1, 1:, :3, :, ..., newaxis, null]", "x[::-1, 1::, :3:, ::, ..., newaxis, newaxis]"),
        ("x[[0, 2], x > 5]", "x[[0, 2], (x > 5)]"),
        ("x[0][1].sum(axis => -1)", "x[0][1].sum(axis => -1)"),
        ("(x + 1).sum()", "(x + 1).sum()"),
        ("linalg.svd(x)[1]", "linalg.svd(x)[1]"),
        ("add.outer(x, y)", "add.outer(x, y)"),
        ("x.T", "x.T"),
        ("x[0].shape", "x[0].shape"),
        ("transpose(x)[0:10, :]", "transpose(x)[0:10:, ::]"),
        ("-x[0]", "(-x[0])"),
        ("x[0] ** 2", "(x[0] ** 2)"),
        ("f(a, [1, [2, 3],], b => 'c', d => null)", "f(a, [1, [2, 3]], b => 'c', d => null)"),
        ("[]", "[]"),
        ("\"X y\" + TRUE", "(X y + true)"),
        ("1 + 2j", "(1 + 2.0j)"),
    ];
    for (text, expected) in cases {
        // A name without quotes is folded.
        assert_eq!(parsed(text), expected.replace(".T", ".t"), "{text}");
    }
}

#[test]
fn a_query_is_taken_as_text() {
    let text = "array(SELECT a, (b) FROM t WHERE c = ')') + 1";
    let expr = parse(text).unwrap();
    let ExprKind::Binary { left, .. } = &expr.kind else { panic!("{expr:?}") };
    let ExprKind::Query(span) = left.kind else { panic!("{left:?}") };
    assert_eq!(&text[span.start..span.end], "SELECT a, (b) FROM t WHERE c = ')'");
    assert_eq!(parsed("array([1, 2])"), "array([1, 2])");
}

#[test]
fn what_is_no_expression_is_told_where() {
    let cases = [
        ("", "expected an expression, found the end of the statement", 0),
        ("x +", "expected an expression, found the end of the statement", 3),
        ("x y", "expected an operator or the end of the statement, found y", 2),
        ("sum(x", "expected `,` or `)`, found the end of the statement", 5),
        ("sum(axis => 0, x)", "without a keyword stands behind", 15),
        ("x[1", "expected `,` or `]`", 3),
        ("x[]", "a subscript needs an index", 2),
        ("x[,]", "expected an index", 2),
        ("(1, 2)", "a tuple is written as a list", 2),
        ("1(2)", "only a function can be called", 1),
        ("newaxis", "stands in subscripts only", 0),
        ("x[1:2:3:4]", "expected `,` or `]`", 7),
        ("a AND", "expected an expression", 5),
        ("array(SELECT 1", "expected `)` behind the query", 14),
    ];
    for (text, message, at) in cases {
        let (error, start) = refused(text);
        assert!(error.contains(message), "{text}: {error}");
        assert_eq!(start, at, "{text}: {error}");
    }
}

#[test]
fn depth_is_bounded_and_breadth_is_not() {
    let n = 10_000;
    let deep = [
        "(".repeat(n) + "1" + &")".repeat(n),
        "[".repeat(n) + &"]".repeat(n),
        "-x".to_owned().replacen("-", &"- ".repeat(n), 1),
        "x".to_owned() + &" + 1".repeat(n),
        "x".to_owned() + &"[0]".repeat(n),
        "x".to_owned() + &" ** x".repeat(n),
        "f(".repeat(n) + "x" + &")".repeat(n),
        "not ".repeat(n) + "x",
        "x".to_owned() + &".sum()".repeat(n),
        "x[".repeat(n) + "0" + &"]".repeat(n),
    ];
    for text in deep {
        let (error, _) = refused(&text);
        assert!(error.contains("more than 1000"), "{}: {error}", &text[..20]);
    }
    parse(&format!("[{}]", "[-1, 2.5], ".repeat(n))).unwrap();
    parse(&("(".repeat(900) + "x" + &" + 1)".repeat(900))).unwrap();
}
