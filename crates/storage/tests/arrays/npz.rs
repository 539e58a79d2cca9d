//! npz files.

use dolmen_storage::{ArrayFileError, ElementType, FileDamage, NpzFile, NpzWriter, Region, TempFolder};

use crate::values::{expected, regions};
use crate::{golden, location, names, stores};

const ARRAYS: [(&str, &[u64], &str); 3] = [("a", &[3, 4], "<f8"), ("b", &[500], "<i4"), ("ünï", &[], "|i1")];

fn check(file: &NpzFile) {
    let temp = TempFolder::new(None);
    assert_eq!(file.names().collect::<Vec<_>>(), ["a", "b", "ünï"]);
    for (name, shape, element) in ARRAYS {
        let element = ElementType::from_numpy(element).unwrap();
        let array = file.open_array_blocking(name, &temp).unwrap();
        assert_eq!((array.shape(), array.element()), (shape, element));
        for region in regions(shape) {
            let expected = expected(shape, &region, element);
            let mut to = vec![0; expected.len()];
            array.read_region_blocking(&region, &mut to).unwrap();
            assert_eq!(to, expected, "{name} {region}");
        }
    }
}

#[test]
fn stored_and_deflated_arrays_are_read() {
    for name in ["stored.npz", "deflated.npz"] {
        check(&NpzFile::open_blocking(&stores(), &location(golden("npz").join(name))).unwrap());
    }
}

#[test]
fn stored_and_deflated_arrays_are_written() {
    for is_compressed in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let (place, temp) = (location(dir.path().join("x.npz")), TempFolder::new(None));
        let create = if is_compressed { NpzWriter::create_compressed } else { NpzWriter::create };
        let mut writer = create(&stores(), &place, &temp).unwrap();
        let add = |(name, shape, element): (&str, &'static [u64], &str)| {
            let element = ElementType::from_numpy(element).unwrap();
            (shape, element, writer.add(name, element, shape, &temp).unwrap())
        };
        let members = ARRAYS.map(add);
        // The last first, and from another thread.
        std::thread::scope(|scope| {
            for (shape, element, member) in members.iter().rev() {
                scope.spawn(move || {
                    let whole = Region::whole(shape);
                    member.write_region_blocking(&whole, &expected(shape, &whole, *element)).unwrap();
                });
            }
        });
        writer.finish_blocking().unwrap();
        assert_eq!(names(dir.path()), ["x.npz"]);
        check(&NpzFile::open_blocking(&stores(), &place).unwrap());
    }
}

#[test]
fn names_and_missing_regions() {
    let dir = tempfile::tempdir().unwrap();
    let (place, temp) = (location(dir.path().join("x.npz")), TempFolder::new(None));
    let element = ElementType::from_numpy("<f8").unwrap();
    let mut writer = NpzWriter::create(&stores(), &place, &temp).unwrap();
    writer.add("a", element, &[2], &temp).unwrap();
    for name in ["a", "", "x\\y"] {
        let refused = writer.add(name, element, &[2], &temp).unwrap_err();
        assert!(matches!(refused, ArrayFileError::InvalidLayout { .. }), "{refused}");
    }
    assert!(matches!(writer.finish_blocking(), Err(ArrayFileError::Incomplete { written_bytes: 0, .. })));
    assert!(names(dir.path()).is_empty());

    let file = NpzFile::open_blocking(&stores(), &location(golden("npz/stored.npz"))).unwrap();
    let missing = file.open_array_blocking("A", &temp).unwrap_err();
    assert!(
        missing.to_string().ends_with("holds no array `A` (did you mean `a`?). It holds `a`, `b`, `ünï`"),
        "{missing}"
    );
    let file = NpzFile::open_blocking(&stores(), &location(golden("npz/bzip2.npz"))).unwrap();
    assert_eq!(file.names().collect::<Vec<_>>(), ["a"]);
    let other = file.open_array_blocking("a", &temp).unwrap_err();
    assert!(other.to_string().contains("compression method 12") && other.to_string().contains("savez"), "{other}");
}

/// A damaged archive, and what opening and reading it says.
fn read_damaged(bytes: &[u8]) -> Result<(), ArrayFileError> {
    let dir = tempfile::tempdir().unwrap();
    let (path, temp) = (dir.path().join("x.npz"), TempFolder::new(Some(dir.path().join("temp"))));
    std::fs::write(&path, bytes).unwrap();
    let file = NpzFile::open_blocking(&stores(), &location(&path))?;
    for name in file.names() {
        let array = file.open_array_blocking(name, &temp)?;
        let n = array.shape().iter().product::<u64>() as usize * array.element().size_bytes();
        array.read_region_blocking(&Region::whole(array.shape()), &mut vec![0; n])?;
    }
    Ok(())
}

#[test]
fn damaged_archives_say_so() {
    let deflated = std::fs::read(golden("npz/deflated.npz")).unwrap();
    assert!(read_damaged(&deflated).is_ok());
    for cut in [0, 10, 100, deflated.len() - 60, deflated.len() - 1] {
        let error = read_damaged(&deflated[..cut]).unwrap_err();
        let is_npz = matches!(error, ArrayFileError::Damaged { damage: FileDamage::Format { format: "npz" }, .. });
        assert!(is_npz, "{cut}: {error}");
    }
    let mut n_found = 0;
    for at in (0..deflated.len()).step_by(3) {
        let mut other = deflated.clone();
        other[at] ^= 0x55;
        n_found += usize::from(read_damaged(&other).is_err());
    }
    // Names, dates and attributes may be anything; every other byte is looked at.
    assert!(n_found * 6 > deflated.len(), "{n_found} of {}", deflated.len());
}
