//! "Did you mean": the known name nearest to a misspelt one.

/// The candidate that is nearest to `name`, if it is near enough to be what was meant.
///
/// Case does not count. A third of the characters, and always one, may be inserted, removed, replaced or swapped; a
/// longer name that ends with the given one is what a missing prefix looks like: `region` for `aws_region`.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_lowercase();
    let near_enough = (name.chars().count() / 3).max(1);
    let distance = |candidate: &str| {
        let candidate = candidate.to_lowercase();
        let is_suffix = !name.is_empty() && candidate.strip_suffix(&*name).is_some_and(|rest| rest.ends_with('_'));
        if is_suffix { 0 } else { strsim::osa_distance(&name, &candidate) }
    };
    candidates
        .into_iter()
        .map(|candidate| (distance(candidate), candidate))
        .filter(|(distance, _)| *distance <= near_enough)
        // Of those at the same distance the shortest, then the first in the alphabet, whatever order they come in.
        .min_by_key(|(distance, candidate)| (*distance, candidate.len(), *candidate))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggests_only_what_is_near() {
        let known = ["aws_region", "aws_endpoint", "azure_storage_account_name"];
        assert_eq!(nearest("aws_regoin", known), Some("aws_region"));
        assert_eq!(nearest("AWS_ENDPONT", known), Some("aws_endpoint"));
        assert_eq!(nearest("region", known), Some("aws_region"));
        assert_eq!(nearest("colour", known), None);
        let names = ["flights", "airports", "Weather"];
        assert_eq!(nearest("fligths", names), Some("flights"));
        assert_eq!(nearest("WEATHR", names), Some("Weather"));
        assert_eq!(nearest("customers", names), None);
        assert_eq!(nearest("", names), None);
    }
}
