//! Zarr arrays and groups that are written here.

use std::sync::Arc;

use dolmen_storage::{
    ArrayFileError, ByteOrder, ElementType, LayoutProblem, Region, StorageError, Stores, TempFolder, ZarrArray,
    ZarrChunks, ZarrCompression, ZarrFormat, ZarrGroup, ZarrGroupWriter, ZarrMetadata, ZarrWriter,
};
use futures::TryStreamExt;
use object_store::memory::InMemory;
use object_store::{ObjectStore, ObjectStoreExt};

use crate::values::{expected, region_of, regions};
use crate::{location, names, read_only, stores};

pub(crate) const COMPRESSIONS: [ZarrCompression; 6] = [
    ZarrCompression::None,
    ZarrCompression::Gzip { level: 5 },
    ZarrCompression::Zstd { level: 1 },
    ZarrCompression::Zstd { level: -7 },
    ZarrCompression::Blosc { level: 5, shuffle: true },
    ZarrCompression::Blosc { level: 0, shuffle: false },
];

pub(crate) fn element(text: &str) -> ElementType {
    ElementType::from_numpy(text).unwrap()
}

/// All indices of a grid.
fn indices(n_chunks: &[u64]) -> Vec<Vec<u64>> {
    let mut indices = Vec::new();
    region_of(n_chunks, &Region::whole(n_chunks), |index, _| {
        indices.push(index.to_vec());
        Vec::new()
    });
    indices
}

/// Writes the golden values to every chunk, last first.
pub(crate) fn write_all(chunks: &ZarrChunks) {
    let metadata = chunks.metadata();
    for index in indices(&chunks.n_chunks()).into_iter().rev() {
        let region = chunks.chunk_region(&index).unwrap();
        chunks.write_chunk_blocking(&index, &expected(&metadata.shape, &region, metadata.element)).unwrap();
    }
}

async fn check(array: &ZarrArray) {
    let metadata = array.metadata();
    for region in regions(&metadata.shape) {
        let expected = expected(&metadata.shape, &region, metadata.element);
        assert_eq!(array.read_region(&region).await.unwrap(), expected, "{region}");
    }
}

/// Descriptions of every form that can be written.
pub(crate) fn forms() -> Vec<(String, ZarrMetadata, ZarrCompression)> {
    let mut forms = Vec::new();
    for (i, compression) in COMPRESSIONS.into_iter().enumerate() {
        for (j, text) in ["<f8", ">i2", "|b1", "<c16", "<M8[ns]", "<m8[25s]", "<f2", "|u1"].into_iter().enumerate() {
            let mut metadata = ZarrMetadata::new(element(text), &[10, 7], &[4, 3]);
            metadata.format = if (i + j) % 2 == 0 { ZarrFormat::V2 } else { ZarrFormat::V3 };
            forms.push((format!("codec{i}_{j}"), metadata, compression));
        }
        let mut shards = ZarrMetadata::new(element("<f4"), &[20, 22], &[8, 12]);
        shards.inner_chunks = Some(vec![4, 3]);
        forms.push((format!("shards{i}"), shards, compression));
    }
    for format in [ZarrFormat::V2, ZarrFormat::V3] {
        for shape in [vec![], vec![0, 3], vec![5]] {
            let chunks = vec![2; shape.len()];
            let metadata = ZarrMetadata { format, ..ZarrMetadata::new(element("<i4"), &shape, &chunks) };
            forms.push((format!("shape{}_{format:?}", shape.len()), metadata, ZarrCompression::default()));
        }
    }
    forms
}

#[tokio::test]
async fn every_form_is_read_again() {
    let dir = tempfile::tempdir().unwrap();
    for (name, metadata, compression) in forms() {
        let place = location(dir.path().join(&name));
        let writer = ZarrWriter::create(&stores(), &place, metadata.clone(), compression).await.unwrap();
        write_all(writer.chunks());
        assert!(!names(dir.path()).contains(&name));
        writer.finish().await.unwrap();
        let array = ZarrArray::open(&stores(), &place).await.unwrap();
        assert_eq!(*array.metadata(), metadata, "{name}");
        check(&array).await;
    }
    assert!(names(dir.path()).iter().all(|name| !name.starts_with('.')));
}

#[tokio::test]
async fn what_is_said_about_an_array_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    for format in [ZarrFormat::V2, ZarrFormat::V3] {
        let place = location(dir.path().join(format!("{format:?}")));
        let mut metadata = ZarrMetadata::new(element("<f4").with_order(ByteOrder::Big), &[4, 4], &[2, 2]);
        metadata.format = format;
        metadata.fill_value = f32::NAN.to_ne_bytes().to_vec();
        metadata.dimension_names = vec![Some("time".to_owned()), Some("x".to_owned())];
        metadata.attributes.insert("units".to_owned(), "K".into());
        let writer = ZarrWriter::create(&stores(), &place, metadata.clone(), ZarrCompression::default()).await.unwrap();
        // One chunk of numbers, one of nothing but the fill value, two that are not written.
        writer.chunks().write_chunk(&[0, 1], [1.0f32; 4].map(f32::to_ne_bytes).concat()).await.unwrap();
        writer.chunks().write_chunk(&[1, 1], [f32::NAN; 4].map(f32::to_ne_bytes).concat()).await.unwrap();
        writer.finish().await.unwrap();
        let array = ZarrArray::open(&stores(), &place).await.unwrap();
        assert_eq!(*array.metadata(), metadata);
        let read = array.read_region(&Region::whole(&[4, 4])).await.unwrap();
        let numbers = read.chunks_exact(4).map(|bytes| f32::from_ne_bytes(bytes.try_into().unwrap()));
        let is_one =
            |(i, number): (usize, f32)| if [2, 3, 6, 7].contains(&i) { number == 1.0 } else { number.is_nan() };
        assert!(numbers.enumerate().all(is_one));
    }
    assert_eq!(names(dir.path().join("V2")), [".zarray", ".zattrs", "0.1"]);
    assert_eq!(names(dir.path().join("V3/c")), ["0"]);
}

#[tokio::test]
async fn groups_appear_whole() {
    for format in [ZarrFormat::V2, ZarrFormat::V3] {
        let dir = tempfile::tempdir().unwrap();
        let place = location(dir.path().join("g.zarr"));
        let attributes = serde_json::from_str("{\"title\": \"t\"}").unwrap();
        let mut writer = ZarrGroupWriter::create(&stores(), &place, format, attributes).await.unwrap();
        let metadata = || ZarrMetadata::new(element("<i4"), &[5], &[2]);
        for name in ["b", "a"] {
            write_all(&writer.add(name, metadata(), ZarrCompression::default()).unwrap());
        }
        for name in ["a", "", ".zarray", "x/y", "__x"] {
            let refused = writer.add(name, metadata(), ZarrCompression::None).unwrap_err();
            assert!(matches!(refused, ArrayFileError::InvalidLayout { .. }), "{refused}");
        }
        assert!(!names(dir.path()).contains(&"g.zarr".to_owned()));
        writer.finish().await.unwrap();
        assert_eq!(names(dir.path()), ["g.zarr"]);
        let group = ZarrGroup::open(&stores(), &place).await.unwrap();
        assert_eq!((group.arrays(), group.format()), (&["a".to_owned(), "b".to_owned()][..], format));
        assert_eq!(group.attributes()["title"], "t");
        for name in ["a", "b"] {
            check(&group.open_array(name).await.unwrap()).await;
        }
    }
}

#[tokio::test]
async fn failed_writes_leave_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let place = location(dir.path().join("deep/er/x.zarr"));
    let metadata = ZarrMetadata::new(element("<f8"), &[10, 7], &[4, 3]);
    let create = |stores: &Arc<Stores>, metadata: &ZarrMetadata| {
        ZarrWriter::create_blocking(stores, &place, metadata.clone(), ZarrCompression::default())
    };
    let writer = create(&stores(), &metadata).unwrap();
    writer.chunks().write_chunk_blocking(&[0, 0], &[1; 96]).unwrap();
    let length = writer.chunks().write_chunk_blocking(&[2, 2], &[1; 96]).unwrap_err();
    assert!(matches!(length, ArrayFileError::WrongLength { expected_bytes: 16, found_bytes: 96, .. }), "{length}");
    let chunk = writer.chunks().write_chunk(&[3, 0], vec![1; 96]).await.unwrap_err();
    assert!(chunk.to_string().contains("there is no chunk (3, 0)") && chunk.to_string().contains("(3, 3)"), "{chunk}");
    drop(writer);
    assert!(names(dir.path()).is_empty());

    let denied = create(&read_only(), &metadata).unwrap_err();
    assert!(matches!(denied, ArrayFileError::Storage(StorageError::ReadOnly { .. })));
    let bad = create(&stores(), &ZarrMetadata { chunks: vec![4], ..metadata.clone() }).unwrap_err();
    assert!(matches!(bad, ArrayFileError::InvalidLayout { problem: LayoutProblem::Rank { .. }, .. }), "{bad}");
    let shards = ZarrMetadata { format: ZarrFormat::V2, inner_chunks: Some(vec![2, 3]), ..metadata.clone() };
    let bad = create(&stores(), &shards).unwrap_err();
    assert!(bad.to_string().contains("Zarr 2 knows no shards"), "{bad}");
    let level = ZarrCompression::Gzip { level: 10 };
    let bad = ZarrWriter::create(&stores(), &place, metadata.clone(), level).await.unwrap_err();
    assert!(matches!(bad, ArrayFileError::InvalidLayout { problem: LayoutProblem::Level { .. }, .. }), "{bad}");
    assert!(names(dir.path()).is_empty());

    let writer = create(&stores(), &metadata).unwrap();
    let chunks = writer.chunks().clone();
    writer.finish().await.unwrap();
    let late = chunks.write_chunk_blocking(&[0, 0], &[1; 96]).unwrap_err();
    assert!(matches!(late, ArrayFileError::Storage(StorageError::Io { .. })), "{late}");
    let occupied = create(&stores(), &metadata).unwrap_err();
    assert!(matches!(occupied, ArrayFileError::Storage(StorageError::Occupied { .. })), "{occupied}");
}

async fn keys(store: &InMemory) -> Vec<String> {
    let found: Vec<_> = store.list(None).try_collect().await.unwrap();
    found.into_iter().map(|meta| meta.location.to_string()).collect()
}

#[tokio::test]
async fn objects_become_an_array_when_it_is_finished_and_are_taken_back_if_it_is_not() {
    let (stores, memory) = (stores(), Arc::new(InMemory::new()));
    stores.register(&"s3://bucket/".parse().unwrap(), memory.clone()).unwrap();
    let place = location("s3://bucket/x.zarr");
    let metadata = ZarrMetadata::new(element("<f8"), &[10, 7], &[4, 3]);
    let create = || ZarrWriter::create(&stores, &place, metadata.clone(), ZarrCompression::default());
    let writer = create().await.unwrap();
    writer.chunks().write_chunk(&[0, 0], vec![1; 96]).await.unwrap();
    assert_eq!(keys(&memory).await, ["x.zarr/c/0/0"]);
    let error = ZarrArray::open(&stores, &place).await.unwrap_err();
    assert!(matches!(error, ArrayFileError::NotZarr { .. }), "{error}");
    drop(writer);
    while !keys(&memory).await.is_empty() {
        tokio::task::yield_now().await;
    }

    let writer = create().await.unwrap();
    for index in indices(&writer.chunks().n_chunks()) {
        let region = writer.chunks().chunk_region(&index).unwrap();
        writer.chunks().write_chunk(&index, expected(&[10, 7], &region, metadata.element)).await.unwrap();
    }
    writer.finish().await.unwrap();
    check(&ZarrArray::open(&stores, &place).await.unwrap()).await;
    let occupied = create().await.unwrap_err();
    assert!(occupied.to_string().contains("there is a Zarr array"), "{occupied}");
    tokio::task::yield_now().await;
    assert_eq!(keys(&memory).await.len(), 10);
}

#[tokio::test]
async fn npy_and_npz_files_are_uploaded_whole() {
    use dolmen_storage::{NpyFile, NpyWriter, NpzFile, NpzWriter};
    let (stores, memory, temp) = (stores(), Arc::new(InMemory::new()), TempFolder::new(None));
    stores.register(&"s3://bucket/".parse().unwrap(), memory.clone()).unwrap();
    // Longer than one part of an upload.
    let shape = [1_500, 1_000];
    let place = location("s3://bucket/x.npy");
    let writer = NpyWriter::create(&stores, &place, &temp, element("<f8"), &shape).unwrap();
    let whole = Region::whole(&shape);
    let bytes: Vec<u8> = (0..1_500_000u64).flat_map(u64::to_le_bytes).collect();
    writer.write_region(&whole, bytes.clone()).await.unwrap();
    assert!(keys(&memory).await.is_empty());
    writer.finish().await.unwrap();
    let file = NpyFile::open(&stores, &place).await.unwrap();
    assert!(file.read_region(&whole).await.unwrap() == bytes);
    let row = Region::new(vec![700, 10], vec![1, 500]);
    assert!(file.read_region(&row).await.unwrap() == bytes[(700_010 * 8)..(700_510 * 8)]);

    let place = location("s3://bucket/x.npz");
    let mut writer = NpzWriter::create_compressed(&stores, &place, &temp).unwrap();
    let member = writer.add("x", element("<i4"), &[100], &temp).unwrap();
    let whole = Region::whole(&[100]);
    member.write_region(&whole, expected(&[100], &whole, element("<i4"))).await.unwrap();
    writer.finish().await.unwrap();
    let array = NpzFile::open(&stores, &place).await.unwrap().open_array("x", &temp).await.unwrap();
    assert_eq!(array.read_region(&whole).await.unwrap(), expected(&[100], &whole, element("<i4")));
    assert_eq!(keys(&memory).await, ["x.npy", "x.npz"]);
    memory.delete(&"x.npy".into()).await.unwrap();
    let gone = file.read_region(&row).await.unwrap_err();
    assert!(matches!(gone, ArrayFileError::Storage(StorageError::NotFound { .. })), "{gone}");
}
