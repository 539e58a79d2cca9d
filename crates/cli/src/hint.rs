//! Grey text behind the cursor: the rest of an earlier statement, or the arguments of the function that is being called.

use crate::complete::statement_at;
use crate::lex::{Kind, Token, tokens};
use crate::names::Names;

/// A hint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hint {
    pub(crate) shown: String,
    /// What the right arrow writes; `None` if it is only to be read.
    pub(crate) written: Option<String>,
}

/// The hint at the end of `text`. `earlier` finds the latest entry of the history that begins with a text.
pub(crate) fn hint(text: &str, names: &dyn Names, earlier: impl Fn(&str) -> Option<String>) -> Option<Hint> {
    if let Some(arguments) = arguments(text, names) {
        return Some(Hint { shown: arguments, written: None });
    }
    if text.trim().is_empty() {
        return None;
    }
    let entry = earlier(text)?;
    let rest = entry.strip_prefix(text).filter(|rest| !rest.is_empty())?;
    // One line is enough to know the statement by.
    let shown = rest.split_once('\n').map_or_else(|| rest.to_owned(), |(line, _)| format!("{line} …"));
    Some(Hint { shown, written: Some(rest.to_owned()) })
}

/// The arguments that are still to come, behind the opening bracket or a comma of a call.
fn arguments(text: &str, names: &dyn Names) -> Option<String> {
    let all = tokens(text);
    let before: Vec<&Token<'_>> =
        statement_at(&all, text.len()).iter().filter(|token| token.is_significant()).collect();
    let last = before.last()?;
    if !last.is_sign('(') && !last.is_sign(',') {
        return None;
    }
    let (mut depth, mut n_written) = (0_usize, 0);
    for (idx, token) in before.iter().enumerate().rev() {
        match token.text {
            ")" | "]" | "}" => depth += 1,
            "(" if depth == 0 => {
                let name = idx.checked_sub(1).map(|idx| before[idx]).filter(|name| name.kind == Kind::Word)?;
                let name = name.text.to_lowercase();
                let functions = names.functions();
                let function =
                    functions.iter().find(|function| function.name == name && !function.arguments.is_empty())?;
                let left: Vec<&str> = split_arguments(&function.arguments).into_iter().skip(n_written).collect();
                let space = if text.ends_with(',') { " " } else { "" };
                return (!left.is_empty()).then(|| format!("{space}{})", left.join(", ")));
            }
            "(" | "[" | "{" => depth = depth.checked_sub(1)?,
            "," if depth == 0 => n_written += 1,
            _ => {}
        }
    }
    None
}

/// Arguments at the commas outside brackets: `array, (a, b)` are two.
fn split_arguments(arguments: &str) -> Vec<&str> {
    let mut depth = 0_i32;
    let split = arguments.split(|c| {
        depth += match c {
            '(' | '[' | '{' => 1,
            ')' | ']' | '}' => -1,
            _ => 0,
        };
        c == ',' && depth == 0
    });
    split.map(str::trim).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::testing::flights;

    fn shown(text: &str) -> Option<String> {
        hint(text, &flights(), |_| None).map(|hint| hint.shown)
    }

    #[test]
    fn arguments_still_to_come() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(shown("SELECT replace("), some("str, substr, replacement)"));
        assert_eq!(shown("SELECT REPLACE(upper(a), "), some("substr, replacement)"));
        assert_eq!(shown("SELECT replace(a,"), some(" substr, replacement)"));
        assert_eq!(shown("SELECT replace(f(a, b), [1, 2],"), some(" replacement)"));
        for text in ["SELECT replace(a", "SELECT now(", "SELECT (", "SELECT replace(a, b, c, ", "SELECT 1,", "(", "]),"]
        {
            assert_eq!(shown(text), None, "{text}");
        }
        assert_eq!(split_arguments("a, (b, c), [, d]"), ["a", "(b, c)", "[, d]"]);
    }

    #[test]
    fn the_rest_of_an_earlier_statement() {
        let earlier = |text: &str| "SELECT 1;".starts_with(text).then(|| "SELECT 1;".to_owned());
        let hint = |text| hint(text, &flights(), earlier);
        let rest = Hint { shown: "CT 1;".to_owned(), written: Some("CT 1;".to_owned()) };
        assert_eq!(hint("SELE"), Some(rest));
        assert_eq!((hint("SELECT 1;"), hint(""), hint("FROM")), (None, None, None));
        let several = super::hint("FROM", &flights(), |_| Some("FROM a,\nb;".to_owned())).unwrap();
        assert_eq!((several.shown.as_str(), several.written.as_deref()), (" a, …", Some(" a,\nb;")));
    }
}
