//! Pictures as arrays: what Pillow and tifffile wrote, see make_stacks.py.

use std::path::Path;

use dolmen_storage::{ArrayFileError, ImageFiles, Location, Region};

use crate::values::{region_of, regions};
use crate::written::element;
use crate::{golden, location, names, stores};

async fn open(path: impl AsRef<Path>) -> Result<ImageFiles, ArrayFileError> {
    ImageFiles::open(&stores(), &location(path)).await
}

async fn whole(images: &ImageFiles) -> Result<Vec<u8>, ArrayFileError> {
    images.read_region(&Region::whole(images.shape())).await
}

/// Sample number `i` of a picture of make_stacks.py.
fn sample(i: u64, code: &str) -> Vec<u8> {
    let number = i * 7 % 101;
    match code {
        "u1" => vec![number as u8],
        "u2" => (number as u16 * 300).to_ne_bytes().to_vec(),
        "i2" => (number as i16).to_ne_bytes().to_vec(),
        "u4" => (number as u32).to_ne_bytes().to_vec(),
        "f4" => (number as f32).to_ne_bytes().to_vec(),
        _ => (number as f64).to_ne_bytes().to_vec(),
    }
}

#[tokio::test]
async fn every_form_of_sample() {
    let mut n_read = 0;
    for name in names(golden("images")) {
        let Some((form, rest)) = name.rsplit_once('.').and_then(|(stem, _)| stem.split_once("_")) else { continue };
        let code = rest.split('_').find(|part| ["u1", "u2", "u4", "i2", "f4", "f8"].contains(part)).unwrap();
        let images = open(golden("images").join(&name)).await.unwrap_or_else(|error| panic!("{name}: {error}"));
        let n_channels = match (form, rest.starts_with("alpha")) {
            ("grey", true) => 2,
            ("rgb" | "lzw" | "deflate" | "packbits", _) => 3,
            ("rgba", _) => 4,
            _ => 1,
        };
        let mut shape = if ["grey", "rgb", "rgba"].contains(&form) { vec![1, 7, 5] } else { vec![1, 40, 50] };
        shape.extend(Some(n_channels).filter(|n| *n > 1));
        assert_eq!((images.shape(), images.element()), (&shape[..], element(&format!("<{code}")).native()), "{name}");
        for region in regions(&shape) {
            let expected = region_of(&shape, &region, |_, i| sample(i, code));
            assert_eq!(images.read_region(&region).await.unwrap(), expected, "{name} {region}");
        }
        n_read += 1;
    }
    assert_eq!(n_read, 22);
}

#[tokio::test]
async fn palettes_and_bits_are_expanded() {
    let palette = open(golden("images").join("palette.png")).await.unwrap();
    assert_eq!(palette.shape(), [1, 7, 5, 3]);
    let expected: Vec<u8> = (0..35).map(|i| (i * 7 % 101) as u8).flat_map(|i| [i, 255 - i, 7]).collect();
    assert_eq!(whole(&palette).await.unwrap(), expected);
    let transparent = open(golden("images").join("transparent.png")).await.unwrap();
    assert_eq!(transparent.shape(), [1, 7, 5, 4]);
    let colours: Vec<[u8; 3]> = (0..35).map(|i| [0, 1, 2].map(|channel| ((i * 3 + channel) * 7 % 101) as u8)).collect();
    let expected: Vec<u8> =
        colours.iter().flat_map(|[r, g, b]| [*r, *g, *b, if [*r, *g, *b] == [0, 7, 14] { 0 } else { 255 }]).collect();
    assert_eq!(whole(&transparent).await.unwrap(), expected);
    let bits = open(golden("images").join("bits.png")).await.unwrap();
    let expected: Vec<u8> = (0..35).map(|i| if i * 7 % 101 % 2 == 1 { 255 } else { 0 }).collect();
    assert_eq!((bits.shape(), whole(&bits).await.unwrap()), (&[1, 7, 5][..], expected));
}

#[tokio::test]
async fn the_pictures_of_a_pattern_are_one_array() {
    let data = concat!(env!("CARGO_MANIFEST_DIR"), "/../../sql-tests/slt/data/pictures/");
    let place = Location::parse(&format!("{data}*.png")).unwrap();
    let images = ImageFiles::open(&stores(), &place).await.unwrap();
    let shape = [3, 4, 6, 3];
    assert_eq!((images.shape(), images.element().name()), (&shape[..], "uint8".to_owned()));
    for region in regions(&shape) {
        let expected = region_of(&shape, &region, |position, i| vec![(i % 72 * 7 % 101 + position[0]) as u8]);
        assert_eq!(images.read_region(&region).await.unwrap(), expected, "{region}");
    }
    let outside = images.read_region(&Region::new(vec![3, 0, 0, 0], vec![1, 1, 1, 1])).await;
    assert!(matches!(outside, Err(ArrayFileError::OutsideOfArray { .. })));
    // One of another form is told when it is read, and not before.
    let all = ImageFiles::open(&stores(), &Location::parse(&format!("{data}*")).unwrap()).await.unwrap();
    assert_eq!(all.shape(), [4, 4, 6, 3]);
    assert!(all.read_region(&Region::new(vec![0, 0, 0, 0], vec![3, 4, 6, 3])).await.is_ok());
    let error = whole(&all).await.unwrap_err().to_string();
    assert!(error.contains("float.tif` does not fit the other files: it holds float32 of shape (4, 6)"), "{error}");
}

#[tokio::test]
async fn what_is_not_read_is_told() {
    for (name, part) in [("pages.tif", "several pages"), ("planes.tif", "a plane for each channel")] {
        let error = open(golden("images").join(name)).await.unwrap_err();
        assert!(matches!(&error, ArrayFileError::Unsupported { what, .. } if what.contains(part)), "{name}: {error}");
    }
    let error = open(golden("npy/vector.npy")).await.unwrap_err().to_string();
    assert!(error.ends_with("is damaged: it is no PNG or TIFF file"), "{error}");
}

/// Files cut short, and with other bytes in them: an error or a picture, but no panic and no great memory.
#[tokio::test]
async fn damaged_pictures_are_errors() {
    let (folder, mut n_refused) = (tempfile::tempdir().unwrap(), 0);
    for name in
        ["rgb_u1.png", "palette.png", "lzw_u1.tif", "tiles_u2.tif", "deflate_u1.tif", "big_u1.tif", "packbits_u1.tif"]
    {
        let bytes = std::fs::read(golden("images").join(name)).unwrap();
        let path = folder.path().join(name);
        let mut random = 7_u64;
        for round in 0..200_usize {
            let mut damaged = bytes.clone();
            for _ in 0..=round % 3 {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let at = (random >> 33) as usize % damaged.len();
                damaged[at] = (random >> 20) as u8;
            }
            if round % 4 == 0 {
                damaged.truncate(damaged.len() * (round + 1) / 201);
            }
            std::fs::write(&path, damaged).unwrap();
            let Ok(images) = open(&path).await else {
                n_refused += 1;
                continue;
            };
            n_refused += usize::from(whole(&images).await.is_err());
        }
    }
    assert!(n_refused > 500, "{n_refused}");
    // What is cut short is no picture with zeros in it.
    for name in ["rgb_u1.png", "strips_u1.tif", "lzw_u1.tif"] {
        let bytes = std::fs::read(golden("images").join(name)).unwrap();
        for len in (0..bytes.len()).step_by(7) {
            let path = folder.path().join(name);
            std::fs::write(&path, &bytes[..len]).unwrap();
            let Ok(images) = open(&path).await else { continue };
            assert!(whole(&images).await.is_err(), "{name} {len}");
        }
    }
    // A header that promises more than is read.
    let mut huge = std::fs::read(golden("images").join("grey_u1.png")).unwrap();
    huge[16..20].copy_from_slice(&2_000_000_u32.to_be_bytes());
    huge[20..24].copy_from_slice(&2_000_000_u32.to_be_bytes());
    let mut crc = flate2::Crc::new();
    crc.update(&huge[12..29]);
    huge[29..33].copy_from_slice(&crc.sum().to_be_bytes());
    std::fs::write(folder.path().join("huge.png"), huge).unwrap();
    let error = open(folder.path().join("huge.png")).await.unwrap_err().to_string();
    assert!(error.contains("a picture of more than 1073741824 bytes"), "{error}");
}
