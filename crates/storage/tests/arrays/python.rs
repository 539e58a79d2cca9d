//! What is written here, read by NumPy, zarr-python and xarray.

use std::process::Command;

use dolmen_storage::{
    ElementType, NpyWriter, NpzWriter, Region, TempFolder, ZarrCompression, ZarrFormat, ZarrGroupWriter, ZarrMetadata,
    ZarrWriter,
};

use crate::values::expected;
use crate::written::{element, forms, write_all};
use crate::{location, stores};

/// `DOLMEN_PYTHON` names an interpreter with the packages numpy, zarr and xarray. The script compares every array with
/// the values of make_golden.py.
#[test]
#[ignore = "needs Python: DOLMEN_PYTHON=venv/bin/python cargo nextest run -p dolmen-storage --run-ignored all python"]
fn python_reads_what_is_written() {
    let python = std::env::var("DOLMEN_PYTHON").expect("DOLMEN_PYTHON names an interpreter");
    let dir = tempfile::tempdir().unwrap();
    let temp = TempFolder::new(None);
    let write_npy = |name: &str, element: ElementType, shape: &[u64]| {
        let place = location(dir.path().join(name));
        let writer = NpyWriter::create(&stores(), &place, &temp, element, shape).unwrap();
        let whole = Region::whole(shape);
        writer.write_region_blocking(&whole, &expected(shape, &whole, element)).unwrap();
        writer.finish_blocking().unwrap();
    };
    for (i, text) in ["<f8", ">i2", "|b1", ">c16", "<M8[ns]", "<m8[25s]", "<f2"].into_iter().enumerate() {
        write_npy(&format!("{i}.npy"), element(text), &[4, 5]);
    }
    write_npy("scalar.npy", element("<f8"), &[]);
    write_npy("empty.npy", element("<f8"), &[0, 3]);
    for (name, is_compressed) in [("stored.npz", false), ("deflated.npz", true)] {
        let create = if is_compressed { NpzWriter::create_compressed } else { NpzWriter::create };
        let mut writer = create(&stores(), &location(dir.path().join(name)), &temp).unwrap();
        for (name, shape) in [("a", vec![3, 4]), ("ünï", vec![70_000])] {
            let member = writer.add(name, element("<f4"), &shape, &temp).unwrap();
            let whole = Region::whole(&shape);
            member.write_region_blocking(&whole, &expected(&shape, &whole, element("<f4"))).unwrap();
        }
        writer.finish_blocking().unwrap();
    }
    for (name, metadata, compression) in forms() {
        let place = location(dir.path().join(format!("{name}.zarr")));
        let writer = ZarrWriter::create_blocking(&stores(), &place, metadata, compression).unwrap();
        write_all(writer.chunks());
        writer.finish_blocking().unwrap();
    }
    for format in [ZarrFormat::V2, ZarrFormat::V3] {
        let place = location(dir.path().join(format!("{format:?}.group")));
        let attributes = serde_json::from_str("{\"title\": \"t\"}").unwrap();
        let mut writer = ZarrGroupWriter::create_blocking(&stores(), &place, format, attributes).unwrap();
        for (name, shape, chunks) in
            [("lat", vec![4], vec![4]), ("lon", vec![6], vec![6]), ("value", vec![4, 6], vec![3, 4])]
        {
            let names: Vec<&str> = if name == "value" { vec!["lat", "lon"] } else { vec![name] };
            let mut metadata = ZarrMetadata::new(element("<f4"), &shape, &chunks);
            metadata.fill_value = f32::NAN.to_ne_bytes().to_vec();
            metadata.dimension_names = names.into_iter().map(|name| Some(name.to_owned())).collect();
            metadata.attributes.insert("units".to_owned(), "K".into());
            write_all(&writer.add(name, metadata, ZarrCompression::default()).unwrap());
        }
        writer.finish_blocking().unwrap();
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/arrays/check_written.py");
    let done = Command::new(python).arg(script).arg(dir.path()).output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success(), "{stdout}\n{stderr}");
    assert!(stdout.contains("77 arrays"), "{stdout}");
}
