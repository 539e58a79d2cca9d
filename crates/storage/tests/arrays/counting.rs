//! What a read asks a store for.

use std::ops::Range;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use dolmen_storage::{
    Location, NpyFile, NpyStack, NpyStackWriter, Region, ZarrArray, ZarrCompression, ZarrMetadata, ZarrWriter,
};
use futures::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result,
};

use crate::values::expected;
use crate::written::{element, write_all};
use crate::{golden, location, stores};

/// A store in memory that writes down which bytes of which object are read.
#[derive(Debug, Default)]
struct Counting {
    inner: InMemory,
    reads: Mutex<Vec<(String, u64)>>,
}

impl Counting {
    fn note(&self, path: &Path, n: u64) {
        self.reads.lock().unwrap().push((path.to_string(), n));
    }

    /// What was read since this was asked last: keys, and bytes all together.
    fn take(&self) -> (Vec<String>, u64) {
        let reads = std::mem::take(&mut *self.reads.lock().unwrap());
        let n = reads.iter().map(|(_, n)| n).sum();
        (reads.into_iter().map(|(key, _)| key).collect(), n)
    }
}

impl std::fmt::Display for Counting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("counting")
    }
}

#[async_trait]
impl ObjectStore for Counting {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        self.inner.put_opts(location, payload, opts).await
    }

    async fn put_multipart_opts(&self, location: &Path, opts: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, opts).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let is_head = options.head;
        let got = self.inner.get_opts(location, options).await?;
        self.note(location, if is_head { 0 } else { got.range.end - got.range.start });
        Ok(got)
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        for range in ranges {
            self.note(location, range.end - range.start);
        }
        self.inner.get_ranges(location, ranges).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.inner.rename_opts(from, to, options).await
    }
}

/// An array of 100 by 100 numbers in a store that counts.
async fn written(chunks: [u64; 2], inner_chunks: Option<Vec<u64>>) -> (Arc<Counting>, ZarrArray) {
    let (stores, store) = (stores(), Arc::new(Counting::default()));
    stores.register(&"s3://bucket/".parse().unwrap(), store.clone()).unwrap();
    let metadata = ZarrMetadata { inner_chunks, ..ZarrMetadata::new(element("<f8"), &[100, 100], &chunks) };
    let place = location("s3://bucket/x.zarr");
    let writer = ZarrWriter::create(&stores, &place, metadata, ZarrCompression::None).await.unwrap();
    write_all(writer.chunks());
    writer.finish().await.unwrap();
    let array = ZarrArray::open(&stores, &place).await.unwrap();
    store.take();
    (store, array)
}

async fn read(array: &ZarrArray, start: [u64; 2], shape: [u64; 2]) {
    let region = Region::new(start.to_vec(), shape.to_vec());
    assert_eq!(array.read_region(&region).await.unwrap(), expected(&[100, 100], &region, element("<f8")));
}

#[tokio::test]
async fn a_slice_reads_the_chunks_that_it_touches_once_each() {
    let (store, array) = written([10, 20], None).await;
    read(&array, [15, 19], [10, 2]).await;
    let (mut keys, n) = store.take();
    keys.sort();
    assert_eq!(keys, ["x.zarr/c/1/0", "x.zarr/c/1/1", "x.zarr/c/2/0", "x.zarr/c/2/1"]);
    assert_eq!(n, 4 * 10 * 20 * 8);
    read(&array, [30, 40], [10, 20]).await;
    assert_eq!(store.take(), (vec!["x.zarr/c/3/2".to_owned()], 1600));
    read(&array, [30, 40], [0, 20]).await;
    assert_eq!(store.take(), (vec![], 0));
}

#[tokio::test]
async fn a_slice_of_a_shard_reads_its_index_and_the_inner_chunks_that_it_touches() {
    let (store, array) = written([50, 50], Some(vec![10, 10])).await;
    read(&array, [18, 12], [4, 3]).await;
    let (keys, n) = store.take();
    // The index: two numbers for each of 25 inner chunks, and a checksum. Then two inner chunks.
    assert_eq!((keys, n), (vec!["x.zarr/c/0/0".to_owned(); 3], 25 * 16 + 4 + 2 * 800));
    read(&array, [50, 0], [50, 50]).await;
    assert_eq!(store.take(), (vec!["x.zarr/c/1/0".to_owned()], 25 * 800 + 25 * 16 + 4));
}

#[tokio::test]
async fn a_slice_of_an_npy_file_reads_little_more_than_itself() {
    let (stores, store) = (stores(), Arc::new(Counting::default()));
    stores.register(&"s3://bucket/".parse().unwrap(), store.clone()).unwrap();
    let small = std::fs::read(golden("npy/vector.npy")).unwrap();
    store.put(&"small.npy".into(), small.into()).await.unwrap();
    let file = NpyFile::open(&stores, &location("s3://bucket/small.npy")).await.unwrap();
    // What is there, and the header with a little more.
    assert_eq!(store.take(), (vec!["small.npy".to_owned(); 2], 256));
    file.read_region(&Region::new(vec![100], vec![50])).await.unwrap();
    assert_eq!(store.take(), (vec!["small.npy".to_owned()], 200));

    // Rows of 4 MB: two columns of each are two requests, and of one row it is one.
    let mut large = b"\x93NUMPY\x01\x00\x76\x00".to_vec();
    large.extend(format!("{:<117}\n", "{'descr': '|u1', 'fortran_order': False, 'shape': (3, 4000000), }").bytes());
    large.resize(128 + 12_000_000, 7);
    store.put(&"large.npy".into(), large.into()).await.unwrap();
    let file = NpyFile::open(&stores, &location("s3://bucket/large.npy")).await.unwrap();
    store.take();
    let read = file.read_region(&Region::new(vec![1, 5], vec![2, 1000])).await.unwrap();
    assert_eq!((read, store.take()), (vec![7; 2000], (vec!["large.npy".to_owned(); 2], 2000)));
    // All of it comes in several requests, none of which is long.
    file.read_region(&Region::whole(&[3, 4_000_000])).await.unwrap();
    assert_eq!(store.take(), (vec!["large.npy".to_owned(); 2], 12_000_000));
}

#[tokio::test]
async fn a_slice_of_several_npy_files_reads_those_that_it_touches() {
    let (stores, store) = (stores(), Arc::new(Counting::default()));
    stores.register(&"s3://bucket/".parse().unwrap(), store.clone()).unwrap();
    let place = location("s3://bucket/x");
    let writer = NpyStackWriter::create(&stores, &place, element("<i4"), &[30, 8], &[10; 3]).await.unwrap();
    for index in 0..3 {
        let region = Region::new(vec![10 * index as u64, 0], vec![10, 8]);
        writer.write_file(index, expected(&[30, 8], &region, element("<i4"))).await.unwrap();
    }
    writer.finish().await.unwrap();
    for text in ["s3://bucket/x/*.npy", "s3://bucket/x/"] {
        let stack = NpyStack::open(&stores, &Location::parse(text).unwrap(), None).await.unwrap();
        // Of each file that it is there, and its header.
        let (keys, n) = store.take();
        assert!(keys.len() >= 6 && n < 3 * 256 + 1000, "{keys:?} {n}");
        let region = Region::new(vec![8, 0], vec![4, 8]);
        assert_eq!(stack.read_region(&region).await.unwrap(), expected(&[30, 8], &region, element("<i4")));
        let (mut keys, n) = store.take();
        keys.sort();
        assert_eq!((keys, n), (vec!["x/0.npy".to_owned(), "x/1.npy".to_owned()], 4 * 8 * 4));
    }
    store.put(&"x/3.npy".into(), "no npy".into()).await.unwrap();
    let error = NpyStack::open(&stores, &Location::parse("s3://bucket/x/*.npy").unwrap(), None).await.unwrap_err();
    assert!(error.to_string().starts_with("`s3://bucket/x/3.npy` is damaged"), "{error}");
}
