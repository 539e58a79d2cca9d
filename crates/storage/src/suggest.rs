//! "Did you mean": the known name nearest to a misspelt one.

/// The candidate that is nearest to `name`, if it is near enough to be what was meant.
pub(crate) fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_ascii_lowercase();
    let near_enough = 1 + name.len() / 4;
    let distances = candidates.into_iter().map(|candidate| (edit_distance(&name, candidate), candidate));
    // A longer name that ends with the given one is what a missing prefix looks like: `region` for `aws_region`.
    let best = distances.map(|(d, candidate)| {
        let is_suffix = !name.is_empty() && candidate.strip_suffix(&*name).is_some_and(|rest| rest.ends_with('_'));
        (if is_suffix { 0 } else { d }, candidate)
    });
    best.filter(|(d, _)| *d <= near_enough).min_by_key(|(d, _)| *d).map(|(_, candidate)| candidate)
}

/// The number of insertions, deletions and replacements of characters that turn `a` into `b`.
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, cb) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(ca != *cb);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        for (a, b, d) in [("", "", 0), ("", "abc", 3), ("kitten", "sitting", 3), ("flaw", "lawn", 2), ("é", "e", 1)] {
            assert_eq!((edit_distance(a, b), edit_distance(b, a)), (d, d), "{a} {b}");
        }
    }

    #[test]
    fn suggests_only_what_is_near() {
        let known = ["aws_region", "aws_endpoint", "azure_storage_account_name"];
        assert_eq!(nearest("aws_regoin", known), Some("aws_region"));
        assert_eq!(nearest("AWS_ENDPONT", known), Some("aws_endpoint"));
        assert_eq!(nearest("region", known), Some("aws_region"));
        assert_eq!(nearest("colour", known), None);
    }
}
