//! Random correlated subqueries against a nested loop over the same rows.

use datafusion::prelude::SessionContext;

use super::{context, rows, run, sorted};

type Value = Option<i64>;

/// A small generator with a fixed sequence for each seed (a linear congruential one, the constants are Knuth's MMIX).
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % n
    }

    fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())]
    }

    /// A number from 0 to 4, or NULL in one of six cases.
    fn value(&mut self) -> Value {
        (self.below(6) > 0).then(|| self.below(5) as i64)
    }

    fn table(&mut self, n_rows: usize) -> Vec<[Value; 2]> {
        (0..n_rows).map(|_| [self.value(), self.value()]).collect()
    }
}

const COMPARISONS: [&str; 8] = ["=", "<>", "<", "<=", ">", ">=", "IS NOT DISTINCT FROM", "IS DISTINCT FROM"];
const AGGREGATES: [&str; 7] = ["count(*)", "count(y)", "count(DISTINCT y)", "sum(y)", "min(y)", "max(y)", "avg(y)"];

/// SQL's comparison: `None` is UNKNOWN.
fn compare(op: &str, l: Value, r: Value) -> Option<bool> {
    match op {
        "IS NOT DISTINCT FROM" => return Some(l == r),
        "IS DISTINCT FROM" => return Some(l != r),
        _ => {}
    }
    let (l, r) = (l?, r?);
    Some(match op {
        "=" => l == r,
        "<>" => l != r,
        "<" => l < r,
        "<=" => l <= r,
        ">" => l > r,
        ">=" => l >= r,
        other => panic!("no comparison {other}"),
    })
}

fn any(truths: impl IntoIterator<Item = Option<bool>>) -> Option<bool> {
    let mut unknown = false;
    for truth in truths {
        match truth {
            Some(true) => return Some(true),
            Some(false) => {}
            None => unknown = true,
        }
    }
    if unknown { None } else { Some(false) }
}

fn negate(truth: Option<bool>) -> Option<bool> {
    truth.map(|t| !t)
}

/// An aggregate as the text of its value.
fn aggregate(name: &str, n_rows: usize, ys: &[i64]) -> String {
    let or_null = |value: Option<i64>| value.map_or("NULL".to_string(), |v| v.to_string());
    match name {
        "count(*)" => n_rows.to_string(),
        "count(y)" => ys.len().to_string(),
        "count(DISTINCT y)" => ys.iter().collect::<std::collections::BTreeSet<_>>().len().to_string(),
        "sum(y)" => or_null((!ys.is_empty()).then(|| ys.iter().sum())),
        "min(y)" => or_null(ys.iter().min().copied()),
        "max(y)" => or_null(ys.iter().max().copied()),
        "avg(y)" if ys.is_empty() => "NULL".to_string(),
        "avg(y)" => (ys.iter().sum::<i64>() as f64 / ys.len() as f64).to_string(),
        other => panic!("no aggregate {other}"),
    }
}

fn text(value: Value) -> String {
    value.map_or("NULL".to_string(), |v| v.to_string())
}

fn truth(value: Option<bool>) -> String {
    value.map_or("NULL".to_string(), |v| v.to_string())
}

/// What the subquery computes for one outer row.
#[derive(Debug, Clone, Copy)]
enum Shape {
    Aggregate(&'static str),
    Exists,
    In,
    Any(&'static str),
    All(&'static str),
    /// The y of the first row in the order of y (NULL last), then x.
    First,
}

/// One random query over outer (a, b) and inner (x, y): the condition is `x op b`, with `y op a` beside it or not.
struct Case {
    shape: Shape,
    on_x: &'static str,
    on_y: Option<&'static str>,
    negated: bool,
}

impl Case {
    fn random(random: &mut Random) -> Self {
        let shape = match random.below(8) {
            0..3 => Shape::Aggregate(random.pick(&AGGREGATES)),
            3 => Shape::Exists,
            4 => Shape::In,
            5 => Shape::Any(random.pick(&COMPARISONS[..6])),
            6 => Shape::All(random.pick(&COMPARISONS[..6])),
            _ => Shape::First,
        };
        let on_y = (random.below(3) == 0).then(|| random.pick(&COMPARISONS));
        Self { shape, on_x: random.pick(&COMPARISONS), on_y, negated: random.below(2) == 0 }
    }

    fn sql(&self) -> String {
        let mut condition = format!("(i.x {} o.b)", self.on_x);
        if let Some(op) = self.on_y {
            condition += &format!(" AND (i.y {op} o.a)");
        }
        let not = if self.negated { "NOT " } else { "" };
        let source = format!("FROM i WHERE {condition}");
        match self.shape {
            Shape::Aggregate(name) => format!("(SELECT {name} {source})"),
            Shape::Exists => format!("{not}EXISTS (SELECT 1 {source})"),
            Shape::In => format!("a {not}IN (SELECT y {source})"),
            Shape::Any(op) => format!("{not}(a {op} ANY (SELECT y {source}))"),
            Shape::All(op) => format!("{not}(a {op} ALL (SELECT y {source}))"),
            Shape::First => format!("(SELECT y {source} ORDER BY y NULLS LAST, x LIMIT 1)"),
        }
    }

    fn is_predicate(&self) -> bool {
        !matches!(self.shape, Shape::Aggregate(_) | Shape::First)
    }

    /// The value for one outer row, as text; predicates are true, false or NULL.
    fn evaluate(&self, [a, b]: [Value; 2], inner: &[[Value; 2]]) -> String {
        let matching: Vec<[Value; 2]> = inner
            .iter()
            .copied()
            .filter(|[x, y]| {
                compare(self.on_x, *x, b) == Some(true) && self.on_y.is_none_or(|op| compare(op, *y, a) == Some(true))
            })
            .collect();
        let ys: Vec<i64> = matching.iter().filter_map(|row| row[1]).collect();
        let predicate = match self.shape {
            Shape::Aggregate(name) => return aggregate(name, matching.len(), &ys),
            Shape::First => return text(ys.iter().min().copied()),
            Shape::Exists => Some(!matching.is_empty()),
            Shape::In => any(matching.iter().map(|row| compare("=", a, row[1]))),
            Shape::Any(op) => any(matching.iter().map(|row| compare(op, a, row[1]))),
            Shape::All(op) => negate(any(matching.iter().map(|row| negate(compare(op, a, row[1]))))),
        };
        truth(if self.negated { negate(predicate) } else { predicate })
    }
}

async fn fill(ctx: &SessionContext, name: &str, columns: &str, table: &[[Value; 2]]) {
    run(ctx, &format!("DROP TABLE IF EXISTS {name}")).await.unwrap();
    run(ctx, &format!("CREATE TABLE {name} ({columns})")).await.unwrap();
    if !table.is_empty() {
        let values: Vec<String> = table.iter().map(|[p, q]| format!("({}, {})", text(*p), text(*q))).collect();
        run(ctx, &format!("INSERT INTO {name} VALUES {}", values.join(", "))).await.unwrap();
    }
}

async fn check(ctx: &SessionContext, query: &str, expected: Vec<String>, seed: u64) {
    let got = run(ctx, query).await.unwrap_or_else(|error| panic!("seed {seed}: {query}: {error}"));
    assert_eq!(sorted(rows(&got)), sorted(expected), "seed {seed}: {query}");
}

#[tokio::test]
async fn random_subqueries() {
    let ctx = context();
    for seed in 0..12 {
        let mut random = Random(seed);
        let n_outer = random.pick(&[1, 5, 9]);
        let n_inner = random.pick(&[0, 4, 9]);
        let (outer, inner) = (random.table(n_outer), random.table(n_inner));
        fill(&ctx, "o", "a BIGINT, b BIGINT", &outer).await;
        fill(&ctx, "i", "x BIGINT, y BIGINT", &inner).await;
        for _ in 0..12 {
            let case = Case::random(&mut random);
            let sql = case.sql();
            let values: Vec<String> = outer.iter().map(|row| case.evaluate(*row, &inner)).collect();
            let with = |suffix: &dyn Fn(&str) -> Option<String>| -> Vec<String> {
                outer
                    .iter()
                    .zip(&values)
                    .filter_map(|([a, b], v)| Some(format!("{}|{}{}", text(*a), text(*b), suffix(v)?)))
                    .collect()
            };
            check(&ctx, &format!("SELECT a, b, {sql} FROM o"), with(&|v| Some(format!("|{v}"))), seed).await;
            if case.is_predicate() {
                let holds = |wanted: &'static str| with(&move |v| (v == wanted).then(String::new));
                check(&ctx, &format!("SELECT a, b FROM o WHERE {sql}"), holds("true"), seed).await;
                check(&ctx, &format!("SELECT a, b FROM o WHERE NOT ({sql})"), holds("false"), seed).await;
                check(&ctx, &format!("SELECT a, b FROM o WHERE ({sql}) IS NULL"), holds("NULL"), seed).await;
            } else {
                let holds = with(&|v| v.parse::<f64>().is_ok_and(|v| v >= 2.0).then(String::new));
                check(&ctx, &format!("SELECT a, b FROM o WHERE {sql} >= 2"), holds, seed).await;
                let case_arm = with(&|v| Some(format!("|{}", if v == "NULL" { "none" } else { "some" })));
                let query = format!("SELECT a, b, CASE WHEN {sql} IS NULL THEN 'none' ELSE 'some' END FROM o");
                check(&ctx, &query, case_arm, seed).await;
            }
        }
    }
}
