//! TIFF files of one page: samples of whole bytes, as they are stored.

use std::io::Cursor;

use tiff::decoder::{Decoder, DecodingSampleType as Sample, Limits};
use tiff::{ColorType, TiffError};

use super::{Form, IMAGE_BYTES_MAX, Problem};
use crate::array_files::element_type::{ElementKind, ElementType};

pub(super) fn form(file: &[u8]) -> Result<Form, Problem> {
    form_of(&mut opened(file)?)
}

pub(super) fn samples(file: &[u8], n_bytes: usize) -> Result<Vec<u8>, Problem> {
    let mut samples = vec![0; n_bytes];
    opened(file)?.read_image_bytes(&mut samples).map_err(undecodable)?;
    Ok(samples)
}

fn opened(file: &[u8]) -> Result<Decoder<Cursor<&[u8]>>, Problem> {
    let mut limits = Limits::default();
    (limits.decoding_buffer_size, limits.intermediate_buffer_size) = (IMAGE_BYTES_MAX, IMAGE_BYTES_MAX);
    Ok(Decoder::new(Cursor::new(file)).map_err(undecodable)?.with_limits(limits))
}

fn form_of(decoder: &mut Decoder<Cursor<&[u8]>>) -> Result<Form, Problem> {
    const REWRITE: &str = "Write it again as one picture of grey, RGB or RGBA samples of 8, 16 or 32 bits";
    let unsupported = |what: String| Err(Problem::Unsupported { what, remedy: REWRITE });
    if decoder.more_images() {
        return unsupported("a TIFF file of several pages".to_owned());
    }
    let colour = decoder.colortype().map_err(undecodable)?;
    let (n_channels, n_bits) = match colour {
        ColorType::Gray(n_bits) => (1, n_bits),
        ColorType::GrayA(n_bits) => (2, n_bits),
        ColorType::RGB(n_bits) => (3, n_bits),
        ColorType::RGBA(n_bits) | ColorType::CMYK(n_bits) => (4, n_bits),
        ColorType::CMYKA(n_bits) => (5, n_bits),
        ColorType::Multiband { bit_depth, num_samples } => (u64::from(num_samples), bit_depth),
        other => return unsupported(format!("the colour {other:?}")),
    };
    let size = decoder.dimensions().map_err(undecodable)?;
    let layout = decoder.image_buffer_layout().map_err(undecodable)?;
    if layout.planes > 1 {
        return unsupported("a plane for each channel".to_owned());
    }
    let (kind, size_bytes) = match layout.sample_type {
        Some(Sample::U8) => (ElementKind::UInt, 1),
        Some(Sample::U16) => (ElementKind::UInt, 2),
        Some(Sample::U32) => (ElementKind::UInt, 4),
        Some(Sample::U64) => (ElementKind::UInt, 8),
        Some(Sample::I8) => (ElementKind::Int, 1),
        Some(Sample::I16) => (ElementKind::Int, 2),
        Some(Sample::I32) => (ElementKind::Int, 4),
        Some(Sample::I64) => (ElementKind::Int, 8),
        Some(Sample::F16) => (ElementKind::Float, 2),
        Some(Sample::F32) => (ElementKind::Float, 4),
        Some(Sample::F64) => (ElementKind::Float, 8),
        None => return unsupported(format!("samples of {n_bits} bits of that kind")),
    };
    let element = ElementType::new(kind, size_bytes).map_err(|error| Problem::Undecodable(error.into()))?;
    let form = Form::new(element, (size.1.into(), size.0.into()), n_channels);
    // Samples of less than a byte lie side by side.
    if usize::from(n_bits) != 8 * size_bytes || form.n_bytes().is_some_and(|n| n != layout.len) {
        return unsupported(format!("samples of {n_bits} bits"));
    }
    Ok(form)
}

fn undecodable(error: TiffError) -> Problem {
    match error {
        TiffError::LimitsExceeded => Problem::too_large(),
        error => Problem::Undecodable(error.into()),
    }
}
