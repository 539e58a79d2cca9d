//! Files that are not what they say.

use std::path::Path;

use dolmen_storage::{ArrayFileError, FileDamage, NpyFile, Region, ZarrArray};

use crate::{golden, location, stores};

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// Reads all of an array after one of its files was changed.
fn read_changed(name: &str, file: &str, change: impl FnOnce(Vec<u8>) -> Vec<u8>) -> Result<Vec<u8>, ArrayFileError> {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join(name);
    copy(&golden("zarr").join(name), &root);
    let bytes = std::fs::read(root.join(file)).unwrap();
    std::fs::write(root.join(file), change(bytes)).unwrap();
    let array = ZarrArray::open_blocking(&stores(), &location(&root))?;
    let n = array.metadata().shape.iter().product::<u64>() as usize * array.metadata().element.size_bytes();
    let mut to = vec![0; n];
    array.read_region_blocking(&Region::whole(&array.metadata().shape), &mut to).map(|()| to)
}

/// The damage of a chunk, of which the error must name the key.
fn chunk_damage(name: &str, key: &str, change: impl FnOnce(Vec<u8>) -> Vec<u8>) -> FileDamage {
    match read_changed(name, key, change) {
        Err(ArrayFileError::DamagedChunk { key: found, damage, array }) => {
            assert_eq!(found, key);
            assert!(array.ends_with(name));
            damage
        }
        other => panic!("{name}: {other:?}"),
    }
}

fn cut(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.truncate(bytes.len() / 2);
    bytes
}

fn flip(mut bytes: Vec<u8>) -> Vec<u8> {
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x40;
    bytes
}

#[test]
fn a_damaged_chunk_is_named() {
    let of_v2 =
        ["none", "gzip", "zlib", "zstd", "lz4", "blosc_blosclz_1", "blosc_lz4_2", "blosc_zlib_0", "blosc_zstd_1"];
    for name in of_v2 {
        chunk_damage(&format!("v2_{name}"), "0.1", cut);
    }
    for name in ["none", "gzip", "zstd", "crc32c", "crc32c_only", "blosc_shuffle", "shards_packed", "shards_start"] {
        chunk_damage(&format!("v3_{name}"), "c/0/1", cut);
    }
    for name in ["v3_zstd", "v3_crc32c", "v3_crc32c_only", "v3_gzip", "v3_shards"] {
        chunk_damage(name, "c/0/0", flip);
    }
    let sum = chunk_damage("v3_crc32c_only", "c/0/0", flip);
    assert_eq!(sum, FileDamage::Checksum { codec: "crc32c" });
    let short = chunk_damage("v2_none", "0.1", cut);
    assert_eq!(short, FileDamage::Length { expected_bytes: 2880, found_bytes: 1440 });
    chunk_damage("v2_gzip", "0.1", |_| Vec::new());
    chunk_damage("v3_shards", "c/0/0", |_| Vec::new());
}

#[test]
fn no_change_of_a_byte_brings_the_process_down() {
    for (name, key) in
        [("v2_blosc_blosclz_1", "0.1"), ("v2_blosc_lz4_2", "0.1"), ("v2_lz4", "0.1"), ("v3_shards", "c/0/0")]
    {
        let length = std::fs::read(golden("zarr").join(name).join(key)).unwrap().len();
        for at in (0..length).step_by(length.div_ceil(80)) {
            let _ = read_changed(name, key, |mut bytes| {
                bytes[at] = !bytes[at];
                bytes
            });
        }
    }
}

#[test]
fn damaged_metadata_say_where_and_what() {
    let problem = |name: &str, file: &str, from: &str, to: &str| {
        let changed = |bytes: Vec<u8>| {
            let text = String::from_utf8(bytes).unwrap().replace(char::is_whitespace, "");
            assert!(text.contains(from), "{text}");
            text.replace(from, to).into_bytes()
        };
        let error = read_changed(name, file, changed).unwrap_err().to_string();
        assert!(error.contains(file), "{error}");
        error
    };
    let cases = [
        ("v2_zstd", ".zarray", "\"shape\":[20,30],", "", "`shape` is missing"),
        ("v2_zstd", ".zarray", "\"shape\":[20,30]", "\"shape\":[20,-1]", "`shape` is no list of sizes"),
        ("v2_zstd", ".zarray", "\"chunks\":[20,18]", "\"chunks\":[20]", "has 1 entries for 2 axes"),
        (
            "v2_zstd",
            ".zarray",
            "\"chunks\":[20,18]",
            "\"chunks\":[9999999999,9999999999]",
            "larger than can be addressed",
        ),
        ("v2_zstd", ".zarray", "\"order\":\"C\"", "\"order\":\"Z\"", "the order `Z`"),
        ("v2_zstd", ".zarray", "\"fill_value\":0.0", "\"fill_value\":\"x\"", "the fill value"),
        ("v2_zstd", ".zarray", "\"id\":\"zstd\"", "\"id\":\"pcodec\"", "the compressor `pcodec` is not supported"),
        ("v2_zstd", ".zarray", "\"dtype\":\"<f8\"", "\"dtype\":\"<f7\"", "`<f7`"),
        ("v2_zstd", ".zarray", "\"zarr_format\":2", "\"zarr_format\":7", "`zarr_format` is not 2"),
        ("v3_zstd", "zarr.json", "\"chunk_shape\":[20,18]", "\"chunk_shape\":[0,18]", "at least one element"),
        ("v3_zstd", "zarr.json", "\"name\":\"regular\"", "\"name\":\"rectilinear\"", "the chunk grid `rectilinear`"),
        ("v3_zstd", "zarr.json", "\"name\":\"zstd\"", "\"name\":\"pcodec\"", "the codec `pcodec` is not supported"),
        ("v3_zstd", "zarr.json", "\"attributes\":{}", "\"attributes\":{},\"new\":{}", "the extension `new`"),
        ("v3_zstd", "zarr.json", "\"name\":\"bytes\"", "\"name\":\"crc32c\"", "the codec `crc32c` is not supported"),
        ("v3_zstd", "zarr.json", "{\"shape\"", "{\"shape", "cannot be read"),
        (
            "v3_shards",
            "zarr.json",
            "\"chunk_shape\":[4,3]",
            "\"chunk_shape\":[5,3]",
            "not a whole number of chunks of 5",
        ),
        ("v3_transpose", "zarr.json", "\"order\":[1,2,0]", "\"order\":[1,1,0]", "does not name every axis once"),
    ];
    for (name, file, from, to, expected) in cases {
        let error = problem(name, file, from, to);
        assert!(error.contains(expected), "{error}");
    }
    let ignored = read_changed("v3_zstd", "zarr.json", |bytes| {
        let text = String::from_utf8(bytes).unwrap();
        text.replacen('{', "{\"new\": {\"must_understand\": false},", 1).into_bytes()
    });
    assert!(ignored.is_ok());
}

#[test]
fn sizes_that_a_description_makes_up_cost_no_memory() {
    // A chunk of 8 TB whose object has a few bytes: the region of one element is read, or refused, without it.
    let huge = |name: &str, file: &str, from: &str, to: &str| {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join(name);
        copy(&golden("zarr").join(name), &root);
        let text = std::fs::read_to_string(root.join(file)).unwrap().replace(char::is_whitespace, "");
        let changed = text.replace(from, to);
        assert_ne!(changed, text);
        std::fs::write(root.join(file), changed).unwrap();
        let array = ZarrArray::open_blocking(&stores(), &location(&root)).unwrap();
        array.read_region_blocking(&Region::new(vec![0, 0], vec![1, 1]), &mut [0; 8]).unwrap_err()
    };
    for name in ["v2_gzip", "v2_zstd", "v2_none", "v2_blosc_lz4_1"] {
        let error = huge(name, ".zarray", "\"chunks\":[20,18]", "\"chunks\":[1000000,1000000]");
        assert!(matches!(error, ArrayFileError::DamagedChunk { .. }), "{error}");
    }
    let error = huge("v3_shards", "zarr.json", "\"chunk_shape\":[8,12]", "\"chunk_shape\":[400000,300000]");
    assert!(matches!(error, ArrayFileError::DamagedChunk { .. }), "{error}");

    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.npy");
    let text = "{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000000000, 8), }";
    std::fs::write(&path, [b"\x93NUMPY\x01\x00\x76\x00".as_slice(), format!("{text:<117}\n").as_bytes()].concat())
        .unwrap();
    let error = NpyFile::open_blocking(&stores(), &location(&path)).unwrap_err();
    let is_short = |damage| matches!(damage, FileDamage::Truncated { expected_bytes: u64::MAX, found_bytes: 128 });
    assert!(matches!(error, ArrayFileError::Damaged { damage, .. } if is_short(damage.clone())));
    for cut in 0..128 {
        let bytes = std::fs::read(golden("npy/vector.npy")).unwrap();
        std::fs::write(&path, &bytes[..cut]).unwrap();
        let error = NpyFile::open_blocking(&stores(), &location(&path)).unwrap_err();
        assert!(matches!(error, ArrayFileError::Damaged { .. }), "{cut}: {error}");
    }
}
