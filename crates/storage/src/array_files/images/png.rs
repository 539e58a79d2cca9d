//! PNG files. Palettes and samples of less than a byte are expanded, and a transparent colour becomes a channel.

use zune_core::bit_depth::{BitDepth, ByteEndian};
use zune_core::bytestream::ZCursor;
use zune_core::options::DecoderOptions;
use zune_png::PngDecoder;
use zune_png::error::PngDecodeErrors;

use super::{Form, IMAGE_BYTES_MAX, Problem};
use crate::array_files::element_type::{ElementKind, ElementType};

type Decoder<'a> = PngDecoder<ZCursor<&'a [u8]>>;

pub(super) fn form(file: &[u8]) -> Result<Form, Problem> {
    form_of(&opened(file, IMAGE_BYTES_MAX)?)
}

pub(super) fn samples(file: &[u8], n_bytes: usize) -> Result<Vec<u8>, Problem> {
    // Each row has a byte of its own, and interlaced pictures have up to twice as many rows as they are high.
    let mut decoder = opened(file, n_bytes.saturating_mul(3).saturating_add(1024))?;
    let mut samples = vec![0; n_bytes];
    decoder.decode_into(&mut samples).map_err(undecodable)?;
    Ok(samples)
}

/// A decoder that has read the header, and inflates so many bytes at most.
fn opened(file: &[u8], inflated_bytes_max: usize) -> Result<Decoder<'_>, Problem> {
    let native = if cfg!(target_endian = "big") { ByteEndian::BE } else { ByteEndian::LE };
    let options = DecoderOptions::default()
        .set_max_width(IMAGE_BYTES_MAX)
        .set_max_height(IMAGE_BYTES_MAX)
        .set_byte_endian(native)
        .inflate_set_confirm_adler(true)
        .inflate_set_limit(inflated_bytes_max)
        .png_set_confirm_crc(true);
    let mut decoder = PngDecoder::new_with_options(ZCursor::new(file), options);
    decoder.decode_headers().map_err(undecodable)?;
    Ok(decoder)
}

fn form_of(decoder: &Decoder<'_>) -> Result<Form, Problem> {
    if decoder.is_animated() {
        let remedy = "Write its pictures to files of their own";
        return Err(Problem::Unsupported { what: "an animation".to_owned(), remedy });
    }
    let header = decoder.dimensions().zip(decoder.depth()).zip(decoder.colorspace());
    let (((width, height), depth), colours) = header.ok_or(Problem::Format)?;
    let size_bytes = if depth == BitDepth::Sixteen { 2 } else { 1 };
    let element =
        ElementType::new(ElementKind::UInt, size_bytes).map_err(|error| Problem::Undecodable(error.into()))?;
    Ok(Form::new(element, (height as u64, width as u64), colours.num_components() as u64))
}

fn undecodable(error: PngDecodeErrors) -> Problem {
    Problem::Undecodable(error.into())
}
