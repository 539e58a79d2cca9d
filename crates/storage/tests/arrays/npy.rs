//! npy files.

use dolmen_storage::{
    ArrayFileError, ElementProblem, ElementType, FileDamage, NpyFile, NpyWriter, Occupant, Region, StorageError,
    TempFolder,
};

use crate::values::{expected, regions};
use crate::{golden, location, names, read_only, stores};

fn element_of(file: &str) -> ElementType {
    let (code, order) = file.trim_end_matches(".npy").split_at(file.len() - 6);
    let order = if order == "be" { '>' } else { '<' };
    let unit = match code {
        "M8" => "[ns]",
        "m8" => "[25s]",
        _ => "",
    };
    ElementType::from_numpy(&format!("{order}{code}{unit}")).unwrap()
}

async fn check(name: &str, shape: &[u64], element: ElementType) {
    let file = NpyFile::open(&stores(), &location(golden("npy").join(name))).await.unwrap();
    assert_eq!((file.shape(), file.element()), (shape, element.with_order(element.order())), "{name}");
    for region in regions(shape) {
        let expected = expected(shape, &region, element);
        assert_eq!(file.read_region(&region).await.unwrap(), expected, "{name} {region}");
        let mut to = vec![0xaa; expected.len()];
        file.read_region_blocking(&region, &mut to).unwrap();
        assert_eq!(to, expected, "{name} {region}");
    }
}

#[tokio::test]
async fn every_type_and_byte_order() {
    let files: Vec<String> =
        names(golden("npy")).into_iter().filter(|name| name.contains("le.") || name.contains("be.")).collect();
    assert_eq!(files.len(), 29);
    for name in files {
        check(&name, &[3, 4, 5], element_of(&name)).await;
    }
}

#[tokio::test]
async fn every_form() {
    let of = |text| ElementType::from_numpy(text).unwrap();
    check("fortran.npy", &[3, 4, 5], of("<f8")).await;
    check("fortran_big.npy", &[20, 30], of(">i2")).await;
    check("scalar.npy", &[], of("<f8")).await;
    check("empty.npy", &[3, 0, 5], of("<f8")).await;
    check("vector.npy", &[1000], of("<i4")).await;
    for version in 1..=3 {
        check(&format!("version{version}.npy"), &[3, 4], of("<i4")).await;
    }
    let open = |name: &str| NpyFile::open_blocking(&stores(), &location(golden("npy").join(name))).unwrap();
    assert!(open("fortran.npy").is_fortran() && !open("f8le.npy").is_fortran());
}

#[test]
fn what_is_no_array_is_refused() {
    let problem = |name: &str| match NpyFile::open_blocking(&stores(), &location(golden("npy").join(name))) {
        Err(ArrayFileError::ElementType { source, .. }) => source.problem,
        other => panic!("{other:?}"),
    };
    assert_eq!(problem("text.npy"), ElementProblem::Text);
    assert_eq!(problem("object.npy"), ElementProblem::Object);
    assert_eq!(problem("record.npy"), ElementProblem::Record);
    let missing = NpyFile::open_blocking(&stores(), &location("/no/such/file.npy")).unwrap_err();
    assert!(matches!(missing, ArrayFileError::Storage(StorageError::NotFound { .. })), "{missing}");
}

#[test]
fn regions_and_buffers_that_do_not_fit_are_refused() {
    let file = NpyFile::open_blocking(&stores(), &location(golden("npy/f8le.npy"))).unwrap();
    let outside = file.read_region_blocking(&Region::new(vec![0, 0, 1], vec![3, 4, 5]), &mut [0; 480]).unwrap_err();
    assert!(outside.to_string().contains("[0:3, 0:4, 1:6]") && outside.to_string().contains("(3, 4, 5)"), "{outside}");
    let axes = file.read_region_blocking(&Region::whole(&[3, 4]), &mut [0; 96]).unwrap_err();
    assert!(matches!(axes, ArrayFileError::OutsideOfArray { .. }));
    let length = file.read_region_blocking(&Region::whole(&[3, 4, 5]), &mut [0; 479]).unwrap_err();
    assert!(matches!(length, ArrayFileError::WrongLength { expected_bytes: 480, found_bytes: 479, .. }), "{length}");
}

#[tokio::test]
async fn blocks_are_written_in_any_order_and_appear_at_the_end() {
    for text in ["<f8", ">i2", "|b1", ">c16"] {
        let dir = tempfile::tempdir().unwrap();
        let (place, temp) = (location(dir.path().join("x.npy")), TempFolder::new(None));
        let (shape, element) = ([7, 5, 6], ElementType::from_numpy(text).unwrap());
        let writer = NpyWriter::create(&stores(), &place, &temp, element, &shape).unwrap();
        for (start, extent) in [([4, 0, 0], [3, 5, 6]), ([0, 0, 2], [4, 5, 4]), ([0, 0, 0], [4, 5, 2])] {
            let region = Region::new(start.to_vec(), extent.to_vec());
            let bytes = expected(&shape, &region, element);
            assert!(!dir.path().join("x.npy").exists());
            if start[0] == 0 {
                writer.write_region(&region, bytes).await.unwrap();
            } else {
                writer.write_region_blocking(&region, &bytes).unwrap();
            }
        }
        writer.finish().await.unwrap();
        assert_eq!(names(dir.path()), ["x.npy"]);
        let file = NpyFile::open(&stores(), &place).await.unwrap();
        assert_eq!((file.shape(), file.element()), (&shape[..], element));
        let whole = Region::whole(&shape);
        assert_eq!(file.read_region(&whole).await.unwrap(), expected(&shape, &whole, element));
    }
}

#[test]
fn what_numpy_wrote_is_written_again_byte_by_byte() {
    for name in ["f8le.npy", "i4be.npy", "M8le.npy", "m8be.npy", "b1le.npy", "scalar.npy", "empty.npy", "vector.npy"] {
        let dir = tempfile::tempdir().unwrap();
        let temp = TempFolder::new(None);
        let from = golden("npy").join(name);
        let file = NpyFile::open_blocking(&stores(), &location(&from)).unwrap();
        let whole = Region::whole(file.shape());
        let n = file.shape().iter().product::<u64>() as usize * file.element().size_bytes();
        let mut bytes = vec![0; n];
        file.read_region_blocking(&whole, &mut bytes).unwrap();
        let to = dir.path().join(name);
        let writer = NpyWriter::create(&stores(), &location(&to), &temp, file.element(), file.shape()).unwrap();
        writer.write_region_blocking(&whole, &bytes).unwrap();
        writer.finish_blocking().unwrap();
        // NumPy leaves room in the header so that the first axis can grow.
        let data = |path| {
            let bytes = std::fs::read(path).unwrap();
            bytes[bytes.len() - n..].to_vec()
        };
        assert_eq!(data(&to), data(&from), "{name}");
    }
}

#[test]
fn failed_writes_leave_what_was_there() {
    let dir = tempfile::tempdir().unwrap();
    let (path, temp) = (dir.path().join("x.npy"), TempFolder::new(None));
    std::fs::write(&path, "old").unwrap();
    let element = ElementType::from_numpy("<f8").unwrap();
    let create = || NpyWriter::create(&stores(), &location(&path), &temp, element, &[4]).unwrap();
    let half = Region::new(vec![0], vec![2]);

    let writer = create();
    writer.write_region_blocking(&half, &[0; 16]).unwrap();
    let outside = writer.write_region_blocking(&Region::new(vec![3], vec![2]), &[0; 16]);
    assert!(matches!(outside, Err(ArrayFileError::OutsideOfArray { .. })));
    let length = writer.write_region_blocking(&half, &[0; 15]);
    assert!(matches!(length, Err(ArrayFileError::WrongLength { .. })));
    let incomplete = writer.finish_blocking();
    assert!(matches!(incomplete, Err(ArrayFileError::Incomplete { written_bytes: 16, total_bytes: 32, .. })));
    drop(create());
    assert_eq!((names(dir.path()), std::fs::read(&path).unwrap()), (vec!["x.npy".to_owned()], b"old".to_vec()));

    let writer = create();
    writer.write_region_blocking(&Region::whole(&[4]), &[0; 32]).unwrap();
    writer.finish_blocking().unwrap();
    assert_eq!(NpyFile::open_blocking(&stores(), &location(&path)).unwrap().shape(), [4]);

    let folder = NpyWriter::create(&stores(), &location(dir.path()), &temp, element, &[4]).unwrap_err();
    let occupied = StorageError::Occupied { path: dir.path().to_owned(), found: Occupant::Folder };
    assert_eq!(folder.to_string(), occupied.to_string());
    let denied = NpyWriter::create(&read_only(), &location(&path), &temp, element, &[4]).unwrap_err();
    assert!(matches!(denied, ArrayFileError::Storage(StorageError::ReadOnly { .. })));
    let huge = NpyWriter::create(&stores(), &location(&path), &temp, element, &[u64::MAX, 2]).unwrap_err();
    assert!(matches!(huge, ArrayFileError::InvalidLayout { .. }));
}

#[test]
fn a_file_that_changes_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.npy");
    std::fs::copy(golden("npy/vector.npy"), &path).unwrap();
    let file = NpyFile::open_blocking(&stores(), &location(&path)).unwrap();
    let whole = Region::whole(&[1000]);
    file.read_region_blocking(&whole, &mut [0; 4000]).unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    bytes.truncate(2000);
    std::fs::write(&path, bytes).unwrap();
    let changed = file.read_region_blocking(&whole, &mut [0; 4000]).unwrap_err();
    assert!(matches!(changed, ArrayFileError::Changed { .. }), "{changed}");
    let again = NpyFile::open_blocking(&stores(), &location(&path)).unwrap_err();
    let damage = FileDamage::Truncated { expected_bytes: 4128, found_bytes: 2000 };
    assert!(matches!(again, ArrayFileError::Damaged { damage: found, .. } if found == damage));
}
