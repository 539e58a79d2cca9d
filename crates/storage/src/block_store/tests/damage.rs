//! What goes wrong is a typed error, and leaves the store as it was.

use std::fs::{self, OpenOptions};
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::*;
use crate::block_store::{BlockError, Damage};

const N_BYTES: usize = 200_000;

fn spilled() -> (Fixture, BlockId) {
    let f = Fixture::new(1_000_000);
    let id = f.put(N_BYTES, 1);
    f.store.spill(id).unwrap();
    (f, id)
}

/// The damage that reading the block finds, and that it names file and block.
fn damage(f: &Fixture, id: BlockId) -> Damage {
    let error = f.store.load(id).unwrap_err();
    let text = error.to_string();
    let BlockError::Corrupt { block, path, problem } = error else { panic!("{error:?}") };
    assert_eq!((block, Some(&path)), (id, f.store.file(id).as_ref()));
    assert!(text.contains(&path.display().to_string()) && text.contains("block 0-0, is damaged"), "{text}");
    assert_eq!(f.budget.used_bytes(), 0, "nothing is kept of what could not be read");
    f.check();
    problem
}

#[test]
fn any_changed_bit_is_found() {
    let (f, id) = spilled();
    let path = f.store.file(id).unwrap();
    let flip = |position: usize, bit: usize| {
        let mut bytes = fs::read(&path).unwrap();
        bytes[position] ^= 1 << bit;
        fs::write(&path, bytes).unwrap();
    };
    for (nth, position) in [0, 1, HEADER.len(), 65_535, 65_536, 100_001, N_BYTES + HEADER.len() - 1].iter().enumerate()
    {
        flip(*position, nth);
        assert!(matches!(damage(&f, id), Damage::Checksum { expected, found } if expected != found));
        flip(*position, nth);
        assert_eq!(*f.store.load(id).unwrap(), content(N_BYTES, 1));
        f.store.spill(id).unwrap();
    }
    f.finish([id]);
}

#[test]
fn another_length_is_found() {
    let (f, id) = spilled();
    let path = f.store.file(id).unwrap();
    let whole = fs::read(&path).unwrap();
    let expected_bytes = whole.len() as u64;
    for found_bytes in [0, 1, expected_bytes - 1, expected_bytes + 1] {
        OpenOptions::new().write(true).open(&path).unwrap().set_len(found_bytes).unwrap();
        assert_eq!(damage(&f, id), Damage::Length { expected_bytes, found_bytes });
    }
    fs::write(&path, whole).unwrap();
    assert_eq!(*f.store.load(id).unwrap(), content(N_BYTES, 1));
    f.finish([id]);
}

#[test]
fn the_file_of_another_block_is_found() {
    let (f, id) = spilled();
    let other = f.put(N_BYTES, 2);
    f.store.spill(other).unwrap();
    fs::copy(f.store.file(other).unwrap(), f.store.file(id).unwrap()).unwrap();
    assert!(matches!(damage(&f, id), Damage::Checksum { .. }));
    assert_eq!(*f.store.load(other).unwrap(), content(N_BYTES, 2));
    f.finish([id, other]);
}

#[test]
fn a_missing_file_is_named() {
    let (f, id) = spilled();
    let path = f.store.file(id).unwrap();
    fs::remove_file(&path).unwrap();
    let error = f.store.load(id).unwrap_err();
    assert!(matches!(&error, BlockError::Io { operation: "read", path: named, .. } if *named == path), "{error:?}");
    assert!(error.to_string().contains("which holds block 0-0"), "{error}");
    f.finish([id]);
}

#[test]
fn a_folder_that_is_taken_away_is_named_and_memory_still_serves() {
    let (f, id) = spilled();
    let kept = f.put(10, 2);
    let folder = f.store.file(id).unwrap().parent().unwrap().to_owned();
    fs::remove_dir_all(&folder).unwrap();
    let error = f.store.spill(kept).unwrap_err();
    assert!(matches!(error, BlockError::Io { operation: "create", .. }), "{error:?}");
    assert!(error.to_string().contains(&folder.display().to_string()), "{error}");
    assert_eq!(*f.store.get(kept).unwrap(), content(10, 2));
    f.finish([id, kept]);
}

#[test]
fn a_temporary_folder_that_cannot_be_made_is_named() {
    let base = tempfile::tempdir().unwrap();
    fs::write(base.path().join("file"), "").unwrap();
    let temp = Arc::new(TempFolder::new(Some(base.path().join("file/below"))));
    let budget = MemoryBudget::new(1000);
    let store = BlockStore::new(Arc::clone(&budget), temp, TestCodec::default(), |_| ());
    let id = store.put(vec![1], budget.consumer("x").reserve(), 0);
    let error = store.spill(id).unwrap_err();
    assert!(matches!(error, BlockError::Io { operation: "create", .. }), "{error:?}");
    assert!(error.to_string().contains("file/below"), "{error}");
    assert_eq!(*store.get(id).unwrap(), [1]);
}

#[test]
fn a_full_disk_names_the_folder_and_leaves_the_store_usable() {
    // Room for one block: the second fails in the middle of a write, once in the first bytes and once at the end.
    for room in [N_BYTES + HEADER.len(), N_BYTES + HEADER.len() + 1, 2 * N_BYTES] {
        let f = Fixture::on_disk_of(1_000_000, room as u64);
        let (first, second) = (f.put(N_BYTES, 1), f.put(N_BYTES, 2));
        f.store.spill(first).unwrap();
        for _ in 0..2 {
            let error = f.store.spill(second).unwrap_err();
            let text = error.to_string();
            let BlockError::DiskFull { block, folder, .. } = error else { panic!("{error:?}") };
            assert_eq!((block, folder.as_path()), (second, f.base.path()));
            assert!(text.contains(&folder.display().to_string()) && text.contains("no space is left"), "{text}");
            assert_eq!(f.files().len(), 1, "nothing is left of the block that did not fit");
            assert!(f.store.is_in_memory(second) && !f.store.is_on_disk(second));
            f.check();
        }
        assert_eq!(*f.store.load(first).unwrap(), content(N_BYTES, 1));
        f.store.remove(first);
        assert_eq!(f.store.spill(second).unwrap(), N_BYTES, "there is room again");
        assert_eq!(*f.store.load(second).unwrap(), content(N_BYTES, 2));
        f.finish([second]);
    }
}

/// A write may take a part of what it is given, or be interrupted.
#[test]
fn a_file_that_is_written_in_pieces_is_whole() {
    struct Reluctant(File, usize);
    impl Write for Reluctant {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.1 += 1;
            if self.1.is_multiple_of(3) {
                return Err(io::ErrorKind::Interrupted.into());
            }
            self.0.write(&bytes[..bytes.len().min(7000)])
        }
        fn flush(&mut self) -> io::Result<()> {
            self.0.flush()
        }
    }
    let f =
        Fixture::with_files(1_000_000, TestCodec::default(), |path| Ok(Box::new(Reluctant(private_file(path)?, 0))));
    let id = f.put(N_BYTES, 1);
    assert_eq!(f.store.spill(id).unwrap(), N_BYTES);
    assert_eq!(*f.store.load(id).unwrap(), content(N_BYTES, 1));
    f.finish([id]);
}

/// A codec may wrap the disk's error in its own, or keep it to itself.
#[test]
fn an_error_of_the_disk_is_not_taken_for_one_of_the_value() {
    struct Swallows;
    impl BlockCodec<Vec<u8>> for Swallows {
        fn size_bytes(&self, value: &Vec<u8>) -> usize {
            value.len()
        }
        fn encode(&self, value: &Vec<u8>, out: &mut dyn Write) -> Result<(), CodecError> {
            let _ = out.write_all(value);
            Ok(())
        }
        fn decode(&self, _: Bytes) -> Result<Vec<u8>, CodecError> {
            Err("not read in this test".into())
        }
    }
    let base = tempfile::tempdir().unwrap();
    let temp = Arc::new(TempFolder::new(Some(base.path().to_owned())));
    let budget = MemoryBudget::new(1_000_000);
    let create_file = |path: &Path| SmallDisk::create(path, 70_000);
    let store = BlockStore::with_files(Arc::clone(&budget), temp, Swallows, |_| (), Box::new(create_file));
    // The one is larger than the buffer before the file, the other is not written before the end.
    for n_bytes in [N_BYTES, 60_000] {
        let id = store.put(content(n_bytes, 1), budget.consumer("x").reserve(), 0);
        let blocker = store.put(content(60_000, 1), budget.consumer("x").reserve(), 0);
        store.spill(blocker).unwrap();
        assert!(matches!(store.spill(id).unwrap_err(), BlockError::DiskFull { .. }));
        store.remove(blocker);
    }
}

#[test]
fn a_value_without_bytes_stays_in_memory() {
    let codec = TestCodec { on_encode: Box::new(|| Err("it is a closure".into())), ..TestCodec::default() };
    let f = Fixture::with_codec(1000, codec);
    let id = f.put(100, 1);
    let error = f.store.spill(id).unwrap_err();
    assert!(matches!(error, BlockError::Encode { block, .. } if block == id));
    assert_eq!(error.to_string(), "cannot spill block 0-0: it is a closure");
    assert_eq!((f.files().len(), f.budget.used_bytes()), (0, 100));
    assert_eq!(*f.store.load(id).unwrap(), content(100, 1));
    f.finish([id]);
}

#[test]
fn bytes_without_a_value_stay_on_disk() {
    let codec = TestCodec { on_decode: Box::new(|| Err("an unknown kind".into())), ..TestCodec::default() };
    let f = Fixture::with_codec(1000, codec);
    let id = f.put(100, 1);
    f.store.spill(id).unwrap();
    let text = f.store.load(id).unwrap_err().to_string();
    let path = f.store.file(id).unwrap();
    assert_eq!(text, format!("cannot make a value of block 0-0, read from {}: an unknown kind", path.display()));
    assert_eq!(f.budget.used_bytes(), 0);
    f.finish([id]);
}

#[test]
fn a_panic_of_the_codec_leaves_the_block_where_it_was() {
    let panics = || -> Hook { Box::new(|| panic!("a defect of the value")) };
    let f = Fixture::with_codec(1000, TestCodec { on_encode: panics(), ..TestCodec::default() });
    let id = f.put(100, 1);
    catch_unwind(AssertUnwindSafe(|| f.store.spill(id))).unwrap_err();
    assert_eq!((f.files().len(), f.budget.used_bytes()), (0, 100));
    // Not waiting for ever is what shows that the block is no longer busy.
    catch_unwind(AssertUnwindSafe(|| f.store.write(id))).unwrap_err();
    assert_eq!(*f.store.load(id).unwrap(), content(100, 1));
    f.finish([id]);

    let f = Fixture::with_codec(1000, TestCodec { on_decode: panics(), ..TestCodec::default() });
    let id = f.put(100, 1);
    f.store.spill(id).unwrap();
    for _ in 0..2 {
        catch_unwind(AssertUnwindSafe(|| f.store.load(id))).unwrap_err();
        assert_eq!((f.files().len(), f.budget.used_bytes()), (1, 0));
    }
    f.finish([id]);
}
