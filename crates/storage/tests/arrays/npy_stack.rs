//! Several npy files as one array: patterns, and folders as Dask's `to_npy_stack` writes them.

use std::path::Path;

use dolmen_storage::{ArrayFileError, Location, NpyStack, NpyStackWriter, NpyWriter, Region, StorageError, TempFolder};

use crate::values::{expected, region_of, regions, value};
use crate::written::element;
use crate::{location, stores};

/// A file with the rows from `start` on of an array of so many columns.
fn write(path: &Path, code: &str, (start, n_rows): (u64, u64), n_columns: u64) {
    let (element, shape) = (element(code), [n_rows, n_columns]);
    let writer = NpyWriter::create(&stores(), &location(path), &TempFolder::new(None), element, &shape).unwrap();
    let whole = Region::whole(&shape);
    let bytes = region_of(&shape, &whole, |_, i| value(start * n_columns + i, element));
    writer.write_region_blocking(&whole, &bytes).unwrap();
    writer.finish_blocking().unwrap();
}

async fn open(folder: &Path, pattern: &str, axis: Option<usize>) -> Result<NpyStack, ArrayFileError> {
    let text = folder.join(pattern).display().to_string();
    NpyStack::open(&stores(), &Location::parse(&text).unwrap(), axis).await
}

#[tokio::test]
async fn the_files_of_a_pattern_are_one_array_in_the_order_of_their_names() {
    let folder = tempfile::tempdir().unwrap();
    // Of both byte orders; one file has no rows.
    for (name, code, rows) in
        [("b.npy", ">f8", (3, 1)), ("a.npy", "<f8", (0, 3)), ("c.npy", "<f8", (4, 0)), ("d.npy", "<f8", (4, 5))]
    {
        write(&folder.path().join(name), code, rows, 4);
    }
    write(&folder.path().join("other.dat"), "<f8", (0, 1), 1);
    let stack = open(folder.path(), "*.npy", None).await.unwrap();
    assert_eq!((stack.shape(), stack.axis(), stack.element()), (&[9, 4][..], 0, element("<f8").native()));
    assert_eq!(stack.extents().collect::<Vec<_>>(), [3, 1, 0, 5]);
    for region in regions(&[9, 4]) {
        assert_eq!(stack.read_region(&region).await.unwrap(), expected(&[9, 4], &region, element("<f8")), "{region}");
    }
    let outside = stack.read_region(&Region::new(vec![8, 0], vec![2, 4])).await;
    assert!(matches!(outside, Err(ArrayFileError::OutsideOfArray { .. })));
    // The same files beside each other: only those that are alike along axis 0.
    let columns = open(folder.path(), "[a]*.npy", Some(1)).await.unwrap();
    assert_eq!((columns.shape(), columns.axis()), (&[3, 4][..], 1));
}

#[tokio::test]
async fn files_beside_each_other() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a.npy", "b.npy"] {
        write(&folder.path().join(name), "<i4", (0, 3), 4);
    }
    let stack = open(folder.path(), "?.npy", Some(1)).await.unwrap();
    assert_eq!(stack.shape(), [3, 8]);
    let of = |position: &[u64], _| value(position[0] * 4 + position[1] % 4, element("<i4"));
    for region in regions(&[3, 8]) {
        assert_eq!(stack.read_region(&region).await.unwrap(), region_of(&[3, 8], &region, of), "{region}");
    }
}

#[tokio::test]
async fn a_folder_of_more_than_ten_files_is_in_the_order_of_their_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let (place, number) = (location(folder.path().join("stack")), element(">i2"));
    let (shape, extents) = ([24, 3], [2; 12]);
    let writer = NpyStackWriter::create(&stores(), &place, number, &shape, &extents).await.unwrap();
    for index in (0..12).rev() {
        let region = Region::new(vec![2 * index as u64, 0], vec![2, 3]);
        writer.write_file(index, expected(&shape, &region, number)).await.unwrap();
    }
    let short = writer.write_file(0, vec![0; 11]).await;
    assert!(matches!(short, Err(ArrayFileError::WrongLength { expected_bytes: 12, found_bytes: 11, .. })));
    assert!(matches!(writer.write_file(12, Vec::new()).await, Err(ArrayFileError::InvalidLayout { .. })));
    writer.finish().await.unwrap();
    let stack = NpyStack::open(&stores(), &place, None).await.unwrap();
    assert_eq!((stack.shape(), stack.axis()), (&shape[..], 0));
    for region in regions(&shape) {
        assert_eq!(stack.read_region(&region).await.unwrap(), expected(&shape, &region, number), "{region}");
    }
    // Nothing is left of what is not finished.
    let place = location(folder.path().join("half"));
    let writer = NpyStackWriter::create(&stores(), &place, number, &shape, &extents).await.unwrap();
    writer.write_file(0, vec![0; 12]).await.unwrap();
    let missing = writer.finish().await.unwrap_err();
    assert!(matches!(missing, ArrayFileError::Incomplete { written_bytes: 12, total_bytes: 144, .. }), "{missing}");
    assert_eq!(crate::names(folder.path()), ["stack"]);
    let uneven = NpyStackWriter::create(&stores(), &place, number, &shape, &[2, 3]).await;
    assert!(matches!(uneven, Err(ArrayFileError::InvalidLayout { .. })));
}

/// What Dask wrote along axis 1, see make_stacks.py.
#[tokio::test]
async fn the_info_of_a_folder_tells_its_axis() {
    let place = location(concat!(env!("CARGO_MANIFEST_DIR"), "/../../sql-tests/slt/data/stack"));
    let stack = NpyStack::open(&stores(), &place, None).await.unwrap();
    assert_eq!((stack.shape(), stack.axis(), stack.element().name()), (&[4, 6][..], 1, "float64".to_owned()));
    assert_eq!(stack.extents().collect::<Vec<_>>(), [4, 2]);
    let row = stack.read_region(&Region::new(vec![1, 2], vec![1, 4])).await.unwrap();
    assert_eq!(row, [8.0_f64, 9.0, 10.0, 11.0].map(f64::to_ne_bytes).concat());
    let rows = NpyStack::open(&stores(), &place, Some(0)).await.unwrap_err().to_string();
    assert!(rows.contains("1.npy` does not fit") && rows.contains("holds float64 of shape (4, 2), and"), "{rows}");
    // Without its last file it is not the array that was written.
    let folder = tempfile::tempdir().unwrap();
    for name in ["0.npy", "info"] {
        std::fs::copy(place.to_string() + "/" + name, folder.path().join(name)).unwrap();
    }
    for axis in [None, Some(1)] {
        let short = NpyStack::open(&stores(), &location(folder.path()), axis).await.unwrap_err().to_string();
        assert!(short.contains("a folder of 1 npy files whose info is of 2"), "{short}");
    }
}

#[tokio::test]
async fn files_that_are_not_one_array_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let refused = async |pattern: &str, axis| open(folder.path(), pattern, axis).await.unwrap_err();
    assert!(matches!(refused("*.npy", None).await, ArrayFileError::Storage(StorageError::NoMatch { .. })));
    write(&at("a.npy"), "<f8", (0, 3), 4);
    write(&at("b.npy"), "<f4", (0, 3), 4);
    let error = refused("*.npy", None).await.to_string();
    assert!(error.contains("b.npy` does not fit the other files: it holds float32 of shape (3, 4)"), "{error}");
    let error = refused("a*.npy", Some(2)).await.to_string();
    assert!(error.starts_with("there is no axis 2 in") && error.contains("has 2 axes"), "{error}");
    std::fs::write(at("c.npy"), "no npy").unwrap();
    assert!(matches!(refused("[ac].npy", None).await, ArrayFileError::Damaged { .. }));
    let folder_of_others = NpyStack::open(&stores(), &location(folder.path()), None).await.unwrap_err().to_string();
    assert!(folder_of_others.contains("`a.npy` in a folder of numbered npy files"), "{folder_of_others}");
    std::fs::create_dir(at("stack")).unwrap();
    write(&at("stack/0.npy"), "<f8", (0, 3), 4);
    std::fs::write(at("stack/info"), "no pickle").unwrap();
    let info = refused("stack", None).await.to_string();
    assert!(info.contains("WITH (axis => 0)"), "{info}");
    assert_eq!(open(folder.path(), "stack", Some(0)).await.unwrap().shape(), [3, 4]);
    write(&at("stack/2.npy"), "<f8", (0, 3), 4);
    let gap = refused("stack", Some(0)).await.to_string();
    assert!(gap.contains("a folder of npy files without `1.npy`"), "{gap}");
    let missing = refused("missing", None).await;
    assert!(matches!(missing, ArrayFileError::Storage(StorageError::NotFound { .. })), "{missing}");
}
