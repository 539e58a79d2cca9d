//! The list of faults fits the source of the core: each can be put in, in one place.

include!("../mutations/faults.rs");

#[test]
fn every_fault_has_its_place() {
    assert!(FAULTS.len() >= 10);
    for fault in FAULTS {
        let path = format!("{}/src/core/{}", env!("CARGO_MANIFEST_DIR"), fault.file);
        let source = std::fs::read_to_string(&path).unwrap();
        let n = source.matches(fault.right).count();
        assert_eq!(n, 1, "`{}`: the place occurs {n} times in {}", fault.name, fault.file);
    }
}
