//! NetCDF and HDF5 files, as other libraries write them.

use dolmen_storage::{ArrayFileError, ElementKind, ElementType, NetcdfFile, NetcdfVariable, Region};

use crate::values::{expected, regions};
use crate::{golden, location, names, read_only};

async fn open(name: &str) -> NetcdfFile {
    NetcdfFile::open(&read_only(), &location(golden("netcdf").join(name))).await.unwrap()
}

async fn variable(file: &str, name: &str) -> NetcdfVariable {
    open(file).await.variable(name).await.unwrap()
}

fn element(code: &str) -> ElementType {
    ElementType::from_numpy(&format!("<{code}")).unwrap().native()
}

async fn check(variable: &NetcdfVariable, element: ElementType) {
    let shape = [3, 4, 5];
    assert_eq!((variable.shape(), variable.element().name()), (&shape[..], element.name()), "{variable:?}");
    for region in regions(&shape) {
        assert_eq!(
            variable.read_region(&region).await.unwrap(),
            expected(&shape, &region, element),
            "{variable:?} {region}"
        );
    }
}

#[tokio::test]
async fn every_form_and_type() {
    let files: Vec<String> =
        names(golden("netcdf")).into_iter().filter(|name| name != "air.nc" && name != "plain.h5").collect();
    assert_eq!(files.len(), 5);
    for file in files {
        let codes = open(&file).await.names().unwrap();
        assert!(codes.len() >= 5, "{file}: {codes:?}");
        for code in codes {
            let variable = variable(&file, &code).await;
            assert_eq!(variable.dimensions(), ["x", "y", "z"]);
            check(&variable, element(&code)).await;
        }
    }
}

#[tokio::test]
async fn files_of_hdf5_have_datasets_in_groups() {
    let file = open("plain.h5").await;
    assert_eq!(file.names().unwrap(), ["contiguous", "inner/big_endian", "inner/chunked"]);
    check(&file.variable("contiguous").await.unwrap(), element("f8")).await;
    let chunked = file.variable("/inner/chunked").await.unwrap();
    assert_eq!(chunked.chunks(), Some(&[2, 3, 2][..]));
    check(&chunked, element("i4")).await;
    check(&file.variable("inner/big_endian").await.unwrap(), element("f4")).await;
    let missing = file.variable("inner/chunkde").await.unwrap_err();
    assert!(missing.to_string().contains("did you mean `inner/chunked`?"), "{missing}");
    assert!(matches!(file.variable("text").await, Err(ArrayFileError::Unsupported { .. })));
}

#[tokio::test]
async fn conventions_say_what_numbers_mean() {
    let file = open("air.nc").await;
    assert_eq!(file.names().unwrap(), ["air", "stations/height", "time", "lat", "lon"]);
    assert_eq!(file.only_name().unwrap(), None);
    let air = file.variable("air").await.unwrap();
    assert_eq!((air.shape(), air.element().name()), (&[8, 5, 6][..], "float64".to_owned()));
    assert_eq!(
        (air.dimensions(), air.chunks()),
        (&["time", "lat", "lon"].map(str::to_owned)[..], Some(&[2, 5, 3][..]))
    );
    let region = Region::new(vec![1, 2, 3], vec![4, 2, 3]);
    let bytes = air.read_region(&region).await.unwrap();
    let values = bytes.chunks_exact(8).map(|bytes| f64::from_ne_bytes(bytes.try_into().unwrap()));
    let mut at = Vec::new();
    for time in 1..5 {
        for lat in 2..4 {
            at.extend((3..6).map(|lon| (time * 5 + lat) * 6 + lon));
        }
    }
    for (i, value) in at.into_iter().zip(values) {
        let degrees = f64::from(i * 60 % 2000) * 0.01 - 10.0;
        assert!(if i % 13 == 0 { value.is_nan() } else { value == degrees }, "{i}: {value}, not {degrees}");
    }
    let time = file.coordinate(&air, "time").await.unwrap();
    assert!(matches!(time.element().kind(), ElementKind::DateTime(_)));
    let bytes = time.read_region(&Region::new(vec![1], vec![2])).await.unwrap();
    let micros: Vec<i64> = bytes.chunks_exact(8).map(|bytes| i64::from_ne_bytes(bytes.try_into().unwrap())).collect();
    // 2013-01-01 is day 15,706 after 1970.
    assert_eq!(micros, [6, 12].map(|hour| (15_706 * 24 + hour) * 3_600_000_000));
    assert!(file.coordinate(&air, "height").await.is_none());
    let height = file.variable("stations/height").await.unwrap();
    assert!(file.coordinate(&height, "station").await.is_none());
}

#[tokio::test]
async fn what_is_damaged_is_told() {
    let (folder, stores) = (tempfile::tempdir().unwrap(), read_only());
    let whole = std::fs::read(golden("netcdf").join("chunked4.nc")).unwrap();
    let mut n_refused = 0;
    for len in [0, 3, 100, 1000, whole.len() / 2, whole.len() - 9] {
        let path = folder.path().join("short.nc");
        std::fs::write(&path, &whole[..len]).unwrap();
        // A file that lost its end may still have all of a variable.
        let Ok(file) = NetcdfFile::open(&stores, &location(&path)).await else {
            n_refused += 1;
            continue;
        };
        for code in file.names().unwrap() {
            let Ok(variable) = file.variable(&code).await else { continue };
            match variable.read_region(&Region::whole(variable.shape())).await {
                Ok(bytes) => assert_eq!(bytes, expected(&[3, 4, 5], &Region::whole(&[3, 4, 5]), element(&code))),
                Err(error) => assert!(error.to_string().contains("short.nc"), "{error}"),
            }
        }
    }
    assert!(n_refused >= 3);
    let missing = NetcdfFile::open(&stores, &location(folder.path().join("no.nc"))).await;
    assert!(matches!(missing, Err(ArrayFileError::Storage(_))));
    let air = variable("air.nc", "air").await;
    let outside = air.read_region(&Region::new(vec![0, 0, 0], vec![9, 1, 1])).await;
    assert!(matches!(outside, Err(ArrayFileError::OutsideOfArray { .. })));
}
