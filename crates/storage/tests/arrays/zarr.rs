//! Zarr arrays and groups that zarr-python wrote.

use dolmen_storage::{
    ArrayFileError, ElementProblem, ElementType, Region, StorageError, ZarrArray, ZarrFormat, ZarrFound, ZarrGroup,
    ZarrMetadata,
};

use crate::values::{region_of, regions, value};
use crate::{golden, location, names, stores};

async fn open(name: &str) -> ZarrArray {
    ZarrArray::open(&stores(), &location(golden("zarr").join(name)))
        .await
        .unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Reads regions and chunks, and compares with what the elements are.
async fn check(name: &str, array: &ZarrArray, element_at: impl Fn(&ZarrMetadata, &[u64], u64) -> Vec<u8>) {
    let metadata = array.metadata();
    let expected =
        |region: &Region| region_of(&metadata.shape, region, |position, i| element_at(metadata, position, i));
    for region in regions(&metadata.shape) {
        let expected = expected(&region);
        assert_eq!(array.read_region(&region).await.unwrap(), expected, "{name} {region}");
        let mut to = vec![0xaa; expected.len()];
        array.read_region_blocking(&region, &mut to).unwrap();
        assert_eq!(to, expected, "{name} {region}");
    }
    let grid = Region::whole(&array.n_chunks());
    let mut indices = Vec::new();
    region_of(grid.shape(), &grid, |index, _| {
        indices.push(index.to_vec());
        Vec::new()
    });
    for index in indices {
        let region = array.chunk_region(&index).unwrap();
        assert_eq!(array.read_chunk(&index).await.unwrap(), expected(&region), "{name} {index:?}");
    }
}

fn plain(metadata: &ZarrMetadata, _: &[u64], i: u64) -> Vec<u8> {
    value(i, metadata.element)
}

#[tokio::test]
async fn every_array() {
    let special = ["missing", "fill", "v3_shards", "long", "group", "filter", "text", "record"];
    let is_special = |name: &String| special.iter().any(|part| name.contains(part)) && !name.contains("shards_");
    let mut n_read = 0;
    for name in names(golden("zarr")).into_iter().filter(|name| !is_special(name)) {
        let array = open(&name).await;
        let format = if name.starts_with("v2") { ZarrFormat::V2 } else { ZarrFormat::V3 };
        assert_eq!(array.metadata().format, format);
        check(&name, &array, plain).await;
        n_read += 1;
    }
    assert!(n_read > 75, "{n_read}");
}

#[tokio::test]
async fn missing_chunks_have_the_fill_value() {
    for version in [2, 3] {
        let array = open(&format!("v{version}_missing")).await;
        assert!(f64::from_ne_bytes(*array.metadata().fill_value.first_chunk().unwrap()).is_nan());
        check("missing", &array, |metadata, position, i| {
            if position[1] >= 2 { metadata.fill_value.clone() } else { value(i, metadata.element) }
        })
        .await;
        let array = open(&format!("v{version}_fill")).await;
        assert_eq!(array.metadata().fill_value, (-7i32).to_ne_bytes());
        check("fill", &array, |metadata, position, i| {
            if position[0] < 4 && position[1] < 5 { metadata.fill_value.clone() } else { value(i, metadata.element) }
        })
        .await;
    }
}

#[tokio::test]
async fn shards_have_inner_chunks_some_of_which_are_missing() {
    let array = open("v3_shards").await;
    assert_eq!(
        (&array.metadata().chunks[..], array.metadata().inner_chunks.as_deref()),
        (&[8, 12][..], Some(&[4, 3][..]))
    );
    check("v3_shards", &array, |metadata, position, i| {
        let is_left = (2..12).contains(&position[0]) && (5..13).contains(&position[1]);
        if is_left { vec![0; 8] } else { value(i, metadata.element) }
    })
    .await;
    assert_eq!(open("v3_shards_nested").await.metadata().inner_chunks.as_deref(), Some(&[4, 6][..]));
}

#[tokio::test]
async fn long_chunks_of_blosc_have_several_blocks() {
    for cname in ["blosclz", "lz4", "zstd"] {
        for shuffle in [1, 2] {
            let array = open(&format!("v2_long_{cname}_{shuffle}")).await;
            let whole = array.read_chunk(&[0]).await.unwrap();
            assert_eq!(whole.len(), 4 * 300_001);
            let floor = |i: u64| (i64::try_from(i).unwrap() * 7 % 101 - 50).div_euclid(25);
            let numbers = whole.chunks_exact(4).map(|bytes| i64::from(i32::from_ne_bytes(bytes.try_into().unwrap())));
            assert!(numbers.eq((0..300_001).map(floor)), "{cname} {shuffle}");
        }
    }
}

#[tokio::test]
async fn descriptions() {
    let metadata = open("v3_names").await.metadata().clone();
    assert_eq!(metadata.dimension_names, [Some("lat".to_owned()), Some("lon".to_owned())]);
    assert_eq!(serde_json::Value::Object(metadata.attributes), serde_json::json!({"unit": "K", "n": [1, 2]}));
    for (name, element) in
        [("v2_big", ">f8"), ("v3_big", ">f8"), ("v2_M8", "<M8[ns]"), ("v3_m8", "<m8[25s]"), ("v3_b1", "|b1")]
    {
        assert_eq!(open(name).await.metadata().element, ElementType::from_numpy(element).unwrap(), "{name}");
    }
    let none = open("v3_none").await;
    assert_eq!((none.metadata().dimension_names.len(), none.n_chunks()), (2, vec![1, 2]));
    assert!(matches!(none.chunk_region(&[0, 2]), Err(ArrayFileError::InvalidLayout { .. })));
    assert!(none.chunk_region(&[0]).is_err());
}

#[tokio::test]
async fn groups_are_listed_with_and_without_consolidated_metadata() {
    for version in [2, 3] {
        for suffix in ["", "_consolidated"] {
            let place = location(golden("zarr").join(format!("v{version}_group{suffix}")));
            let group = ZarrGroup::open(&stores(), &place).await.unwrap();
            assert_eq!(group.arrays(), ["a", "b", "deep/c"]);
            assert_eq!(group.attributes()["title"], "a group");
            for name in group.arrays() {
                check(name, &group.open_array(name).await.unwrap(), plain).await;
            }
            let missing = group.open_array_blocking("deep/d").unwrap_err();
            assert!(missing.to_string().contains("did you mean `deep/c`"), "{missing}");
            let error = ZarrArray::open(&stores(), &place).await.unwrap_err();
            assert!(matches!(error, ArrayFileError::NotZarr { found: ZarrFound::Group, .. }), "{error}");
        }
    }
}

#[test]
fn what_cannot_be_read_says_why() {
    let open = |name: &str| ZarrArray::open_blocking(&stores(), &location(golden("zarr").join(name))).unwrap_err();
    let filter = open("v2_filter").to_string();
    assert!(filter.contains("v2_filter/.zarray`") && filter.contains("the filter `delta`"), "{filter}");
    let problem = |name: &str| match open(name) {
        ArrayFileError::ElementType { source, .. } => source.problem,
        other => panic!("{other}"),
    };
    assert_eq!([problem("v3_text"), problem("v2_record")], [ElementProblem::Text, ElementProblem::Record]);
    let nothing = ZarrArray::open_blocking(&stores(), &location(golden("npy"))).unwrap_err();
    assert!(matches!(nothing, ArrayFileError::NotZarr { found: ZarrFound::Nothing, .. }), "{nothing}");
    let array = ZarrGroup::open_blocking(&stores(), &location(golden("zarr/v2_gzip"))).unwrap_err();
    assert!(matches!(array, ArrayFileError::NotZarr { found: ZarrFound::Array, .. }), "{array}");
    let none = stores_none();
    let denied = ZarrArray::open_blocking(&none, &location(golden("zarr/v2_gzip"))).unwrap_err();
    assert!(matches!(denied, ArrayFileError::Storage(StorageError::AccessDenied { .. })), "{denied}");
}

fn stores_none() -> std::sync::Arc<dolmen_storage::Stores> {
    crate::stores_with(dolmen_storage::AccessPolicy::new(dolmen_storage::ExternalAccess::None, false))
}

/// What xarray wrote, to both versions of the format: see make_xarray.py.
#[tokio::test]
async fn groups_of_xarray_have_coordinates_and_conventions() {
    let floats =
        |bytes: Vec<u8>| -> Vec<f64> { bytes.as_chunks().0.iter().map(|bytes| f64::from_ne_bytes(*bytes)).collect() };
    for version in [2, 3] {
        let data = concat!(env!("CARGO_MANIFEST_DIR"), "/../../sql-tests/slt/data");
        let group = ZarrGroup::open(&stores(), &location(format!("{data}/air{version}.zarr"))).await.unwrap();
        assert_eq!(group.only_name().await.unwrap(), None);
        let air = group.variable("air").await.unwrap();
        assert_eq!(
            (air.shape(), air.chunks(), air.element().name()),
            (&[8, 5, 6][..], &[2, 5, 3][..], "float64".into())
        );
        assert_eq!(air.dimensions(), ["time", "lat", "lon"].map(|name| Some(name.to_owned())));
        let values = floats(air.read_region(&Region::new(vec![1, 0, 0], vec![1, 5, 6])).await.unwrap());
        for (i, value) in (30..60).zip(values) {
            let degrees = f64::from(i * 60 % 2000) * 0.01 - 10.0;
            assert!(if i % 13 == 0 { value.is_nan() } else { value == degrees }, "{i}: {value}, not {degrees}");
        }
        let time = group.coordinate(&air, 0).await.unwrap().unwrap();
        assert_eq!(time.element().name(), "datetime64[us]");
        let bytes = time.read_region(&Region::new(vec![1], vec![1])).await.unwrap();
        assert_eq!(bytes, ((15_706_i64 * 24 + 6) * 3_600_000_000).to_ne_bytes());
        let lon = group.coordinate(&air, 2).await.unwrap().unwrap();
        assert_eq!(
            floats(lon.read_region(&Region::whole(&[6])).await.unwrap()),
            [0.0, 60.0, 120.0, 180.0, 240.0, 300.0]
        );
        assert!(
            group.coordinate(&air, 3).await.unwrap().is_none() && group.coordinate(&lon, 0).await.unwrap().is_none()
        );

        let height = group.variable("height").await.unwrap();
        let bytes = height.read_region(&Region::whole(&[3])).await.unwrap();
        let values: Vec<f32> = bytes.as_chunks().0.iter().map(|bytes| f32::from_ne_bytes(*bytes)).collect();
        assert!(values[1].is_nan() && [values[0], values[2]] == [1.5, 4.0], "{values:?}");
        // Its coordinates are texts.
        assert!(group.coordinate(&height, 0).await.unwrap().is_none());
    }
}
