//! Functions of one float64 that the compiler turns into vector code: no branch, no table, no call, no fused operation, so
//! that their bits are the same on every instruction set.
//!
//! Errors are measured against correctly rounded values in the tests: below one unit in the last place.

#![allow(clippy::excessive_precision)]

/// Adding this to a float rounds it to an integer, which is then in its lowest bits.
const ROUND: f64 = 6_755_399_441_055_744.0; // 1.5 * 2^52

const LN2_HI: f64 = 0.693_147_180_369_123_816_490; // ln 2, 33 bits
const LN2_LO: f64 = 1.908_214_929_270_587_700_02e-10; // what is left of it

/// 1 / n! from n = 2 on.
const INVERSE_FACTORIAL: [f64; 20] = {
    let mut values = [0.5; 20];
    let mut at = 1;
    while at < 20 {
        values[at] = values[at - 1] / (at + 2) as f64;
        at += 1;
    }
    values
};

/// `e` to the power of `x`.
#[inline(always)]
pub(crate) fn exp(x: f64) -> f64 {
    // Beyond these, the result is infinite or zero; NaN stays.
    let x = if x > 710.0 { 710.0 } else { x };
    let x = if x < -746.0 { -746.0 } else { x };
    let shifted = x * std::f64::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = (x - n * LN2_HI) - n * LN2_LO;
    // exp(r) = 1 + r + r^2 (1/2! + r/3! + ...), |r| < 0.35, in pairs so that the chain of additions is short.
    let c = &INVERSE_FACTORIAL;
    let (r2, r4) = (r * r, (r * r) * (r * r));
    let low = (c[0] + c[1] * r) + (c[2] + c[3] * r) * r2;
    let mid = (c[4] + c[5] * r) + (c[6] + c[7] * r) * r2;
    let high = (c[8] + c[9] * r) + (c[10] + c[11] * r) * r2;
    let tail = (low + r4 * (mid + r4 * high)) * r2;
    let y = 1.0 + (r + tail);
    // 2^n in two factors, each of which is a normal number.
    let n = (shifted.to_bits() as i64).wrapping_sub(ROUND.to_bits() as i64);
    let half = n >> 1;
    y * power_of_two(half) * power_of_two(n.wrapping_sub(half))
}

/// `exp` for numbers that were float32: as exact as float32 tells apart, with half the terms.
#[inline(always)]
pub(crate) fn exp_short(x: f64) -> f64 {
    let x = if x > 200.0 { 200.0 } else { x };
    let x = if x < -200.0 { -200.0 } else { x };
    let shifted = x * std::f64::consts::LOG2_E + ROUND;
    let r = x - (shifted - ROUND) * std::f64::consts::LN_2;
    let c = &INVERSE_FACTORIAL;
    let r2 = r * r;
    let low = (c[0] + c[1] * r) + (c[2] + c[3] * r) * r2;
    let tail = (low + r2 * r2 * (c[4] + c[5] * r + c[6] * r2)) * r2;
    (1.0 + (r + tail)) * power_of_two((shifted.to_bits() as i64).wrapping_sub(ROUND.to_bits() as i64))
}

#[inline(always)]
fn power_of_two(n: i64) -> f64 {
    f64::from_bits((n.wrapping_add(1023) as u64) << 52)
}

/// The natural logarithm.
#[inline(always)]
pub(crate) fn log(x: f64) -> f64 {
    let (m, k) = mantissa_and_exponent(x);
    // log(1 + f) = 2 atanh(s), s = f / (2 + f), in a form that keeps the leading digits of f.
    let f = m - 1.0;
    let s = f / (2.0 + f);
    let z = s * s;
    let z2 = z * z;
    let z4 = z2 * z2;
    // 2/3 + 2/5 z + 2/7 z^2 + ..., z < 0.0295.
    let low = (2.0 / 3.0 + 2.0 / 5.0 * z) + (2.0 / 7.0 + 2.0 / 9.0 * z) * z2;
    let mid = (2.0 / 11.0 + 2.0 / 13.0 * z) + (2.0 / 15.0 + 2.0 / 17.0 * z) * z2;
    let high = (2.0 / 19.0 + 2.0 / 21.0 * z) + 2.0 / 23.0 * z2;
    let series = z * (low + z4 * (mid + z4 * high));
    let half_square = 0.5 * f * f;
    let y = k * LN2_HI - ((half_square - (s * (half_square + series) + k * LN2_LO)) - f);
    special_logarithm(x, y)
}

/// `log` for numbers that were float32.
#[inline(always)]
pub(crate) fn log_short(x: f64) -> f64 {
    let (m, k) = mantissa_and_exponent(x);
    let f = m - 1.0;
    let s = f / (2.0 + f);
    let z = s * s;
    let z2 = z * z;
    let series = z * ((2.0 / 3.0 + 2.0 / 5.0 * z) + (2.0 / 7.0 + 2.0 / 9.0 * z) * z2 + (2.0 / 11.0) * (z2 * z2));
    special_logarithm(x, k * std::f64::consts::LN_2 + s * (2.0 + series))
}

/// `-2 log(x)` of a number in (0, 1], for random numbers: to a few units of the last place, without the special values.
///
/// Fused, which every machine computes alike, if those without the instruction slowly. Coefficients: fdlibm, e_log.c, where
/// `s` is half as large, and negative.
#[inline(always)]
pub(crate) fn minus_two_log(x: f64) -> f64 {
    let bits = x.to_bits();
    let moved = bits.wrapping_sub(0x3fe6_a09e_667f_3bcd);
    let m = f64::from_bits(bits.wrapping_sub(moved & 0xfff0_0000_0000_0000));
    let k = f64::from_bits((moved >> 52 ^ 0x800) | 0x4330_0000_0000_0000) - (4_503_599_627_370_496.0 + 2048.0);
    let s = m.mul_add(-2.0, 2.0) * reciprocal(1.0 + m);
    let z = s * s;
    let series = polynomial(
        z,
        [
            6.666_666_666_666_735_130e-1 / 4.0,
            3.999_999_999_940_941_908e-1 / 16.0,
            2.857_142_874_366_239_149e-1 / 64.0,
            2.222_219_843_214_978_396e-1 / 256.0,
            1.818_357_216_161_805_012e-1 / 1024.0,
            1.531_383_769_920_937_332e-1 / 4096.0,
            1.479_819_860_511_658_591e-1 / 16384.0,
        ],
    );
    k.mul_add(-2.0 * std::f64::consts::LN_2, s * z.mul_add(series, 2.0))
}

/// `1 / d` for `d` from 1.7 to 2.42, without the unit that divides, which square roots keep busy.
#[inline(always)]
fn reciprocal(d: f64) -> f64 {
    // Off by 1.3e-3 of it at most, from the Chebyshev polynomial of degree three; then 2.2e-9, then rounding.
    let near = polynomial(d, [1.477_755_914_724_449, -0.722_444_113_355_671_2, 0.116_862_890_713_268_54]);
    let error = (-d).mul_add(near, 1.0);
    let nearer = near.mul_add(error.mul_add(error, error), near);
    nearer.mul_add((-d).mul_add(nearer, 1.0), nearer)
}

/// The sum of `coefficients[i] * x^i`.
#[inline(always)]
fn polynomial<const N: usize>(x: f64, coefficients: [f64; N]) -> f64 {
    let mut sum = coefficients[N - 1];
    for coefficient in coefficients[..N - 1].iter().rev() {
        sum = x.mul_add(sum, *coefficient);
    }
    sum
}

/// `x = m 2^k` with `m` between the square roots of 1/2 and of 2.
#[inline(always)]
fn mantissa_and_exponent(x: f64) -> (f64, f64) {
    let tiny = x < f64::MIN_POSITIVE;
    let scaled = if tiny { x * 18_014_398_509_481_984.0 } else { x }; // 2^54
    let bits = scaled.to_bits();
    // Moves the bounds of the mantissa from 1..2 to sqrt(1/2)..sqrt(2).
    let moved = bits.wrapping_sub(0x3fe6_a09e_667f_3bcd);
    let m = f64::from_bits(bits.wrapping_sub(moved & 0xfff0_0000_0000_0000));
    // The exponent's twelve bits, with sign, become a float without an instruction that AVX2 lacks.
    let k = f64::from_bits((moved >> 52 ^ 0x800) | 0x4330_0000_0000_0000) - (4_503_599_627_370_496.0 + 2048.0);
    (m, if tiny { k - 54.0 } else { k })
}

#[inline(always)]
fn special_logarithm(x: f64, y: f64) -> f64 {
    let y = if x == f64::INFINITY { x } else { y };
    let y = if x == 0.0 { f64::NEG_INFINITY } else { y };
    let y = if x < 0.0 { f64::NAN } else { y };
    if x.is_nan() { x } else { y }
}

/// Up to this magnitude [`sin_cos`] reduces its argument exactly enough.
pub(crate) const SIN_COS_MAX: f64 = 500_000.0;

// pi/2 as three numbers, the first two of 33 bits, so that their products with small integers are exact.
const PI_2_HI: f64 = 1.570_796_326_734_125_614_17;
const PI_2_MID: f64 = 6.077_100_506_303_965_976_60e-11;
const PI_2_LO: f64 = 2.022_266_248_795_950_631_54e-21;

/// Sine and cosine of `x`, for magnitudes up to [`SIN_COS_MAX`].
#[inline(always)]
pub(crate) fn sin_cos(x: f64) -> (f64, f64) {
    let shifted = x * std::f64::consts::FRAC_2_PI + ROUND;
    let n = shifted - ROUND;
    let a = x - n * PI_2_HI;
    let b = n * PI_2_MID;
    let c = a - b;
    // What the subtraction lost, and the third part of pi/2.
    let rest = ((a - c) - b) - n * PI_2_LO;
    let r = c + rest;
    let r_low = (c - r) + rest;
    let (sin, cos) = sin_cos_reduced(r, r_low);
    let (sin, cos) = quadrant(shifted.to_bits(), sin, cos);
    // The sign of zero was lost in the differences.
    (if x == 0.0 { x } else { sin }, cos)
}

/// Sine and cosine of `quarters` of a right angle, from -1/2 to 1/2, for random numbers: to a few units of the last place.
///
/// Fused as [`minus_two_log`] is. Coefficients: fdlibm, k_sin.c and k_cos.c.
#[inline(always)]
pub(crate) fn sin_cos_near(quarters: f64) -> (f64, f64) {
    let r = quarters * std::f64::consts::FRAC_PI_2;
    let z = r * r;
    let odd = polynomial(
        z,
        [
            -1.666_666_666_666_663_243_48e-1,
            8.333_333_333_322_489_461_24e-3,
            -1.984_126_982_985_794_931_34e-4,
            2.755_731_370_707_006_767_89e-6,
            -2.505_076_025_340_686_341_95e-8,
            1.589_690_995_211_550_102_21e-10,
        ],
    );
    let even = polynomial(
        z,
        [
            -0.5,
            4.166_666_666_666_660_190_37e-2,
            -1.388_888_888_887_410_957_49e-3,
            2.480_158_728_947_672_941_78e-5,
            -2.755_731_435_139_066_330_35e-7,
            2.087_572_321_298_174_827_90e-9,
            -1.135_964_755_778_819_482_65e-11,
        ],
    );
    ((r * z).mul_add(odd, r), z.mul_add(even, 1.0))
}

#[inline(always)]
fn quadrant(n: u64, sin: f64, cos: f64) -> (f64, f64) {
    let (s, c) = if n & 1 == 0 { (sin, cos) } else { (cos, sin) };
    let sign = |bits: u64| (bits & 2) << 62;
    (f64::from_bits(s.to_bits() ^ sign(n)), f64::from_bits(c.to_bits() ^ sign(n.wrapping_add(1))))
}

/// Sine and cosine of `r + r_low`, at most pi/4.
#[inline(always)]
fn sin_cos_reduced(r: f64, r_low: f64) -> (f64, f64) {
    let c = &INVERSE_FACTORIAL;
    let z = r * r;
    let z2 = z * z;
    let z4 = z2 * z2;
    // sin r = r - r^3/3! + ..., cos r = 1 - r^2/2 + r^4/4! - ...; c[i] is 1 / (i + 2)!.
    let low = (-c[1] + c[3] * z) + (-c[5] + c[7] * z) * z2;
    let high = (-c[9] + c[11] * z) + (-c[13] + c[15] * z) * z2;
    let odd = low + high * z4;
    let low = (c[2] - c[4] * z) + (c[6] - c[8] * z) * z2;
    let high = (c[10] - c[12] * z) + c[14] * z2;
    let even = low + high * z4;
    let half = 0.5 * z;
    let sin = r + (r * z * odd + r_low * (1.0 - half));
    let near = 1.0 - half;
    let cos = near + (((1.0 - near) - half) + (z2 * even - r * r_low));
    (sin, cos)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The distance of `value` from the exact result, in units of the last place, given a reference that is exact to a
    /// half of those (the system's functions are, nearly).
    fn ulps(value: f64, reference: f64) -> f64 {
        if value == reference || value.is_nan() && reference.is_nan() {
            return 0.0;
        }
        let unit = (f64::from_bits(reference.abs().to_bits() + 1) - reference.abs()).abs();
        (value - reference).abs() / unit
    }

    /// Numbers that cover an interval evenly without being round.
    fn spread(from: f64, to: f64) -> impl Iterator<Item = f64> {
        (0..200_000).map(move |i| from + (to - from) * ((i as f64 * 0.618_033_988_749_894_9) % 1.0))
    }

    #[test]
    fn errors_stay_within_one_unit_of_the_last_place() {
        let worst = |f: fn(f64) -> f64, g: fn(f64) -> f64, from, to| {
            spread(from, to).map(|x| ulps(f(x), g(x))).fold(0.0, f64::max)
        };
        assert!(worst(exp, f64::exp, -745.0, 709.7) <= 1.0);
        assert!(worst(exp, f64::exp, -1.0, 1.0) <= 1.0);
        assert!(worst(log, f64::ln, 0.0, 3.0) <= 1.0);
        assert!(worst(log, f64::ln, 0.99, 1.01) <= 1.0);
        assert!(worst(log, f64::ln, 0.0, 1e300) <= 1.0);
        for from in [1e-300, 0.999] {
            assert!(worst(minus_two_log, |x| -2.0 * x.ln(), from, 1.0) <= 4.0);
        }
        for (from, to) in [(-4.0, 4.0), (-1000.0, 1000.0), (-SIN_COS_MAX, SIN_COS_MAX)] {
            assert!(worst(|x| sin_cos(x).0, f64::sin, from, to) <= 1.0, "sin to {to}");
            assert!(worst(|x| sin_cos(x).1, f64::cos, from, to) <= 1.0, "cos to {to}");
        }
        // Near the zeros of both, where the reduction of the argument shows.
        for n in -300_000_i64..300_000 {
            let x = n as f64 * std::f64::consts::FRAC_PI_2;
            assert!(ulps(sin_cos(x).0, x.sin()) <= 1.0 && ulps(sin_cos(x).1, x.cos()) <= 1.0, "{x}");
        }
    }

    #[test]
    fn short_forms_are_right_for_float32() {
        for x in spread(-104.0, 89.0).chain(spread(-1.0, 1.0)) {
            let x = x as f32;
            let exact = f64::from(x).exp();
            assert!((exp_short(x.into()) - exact).abs() <= exact * 4e-9, "{x}");
        }
        for x in spread(1e-6, 10.0).chain(spread(0.999, 1.001)) {
            let x = x as f32;
            let exact = f64::from(x).ln();
            assert!((log_short(x.into()) - exact).abs() <= exact.abs() * 4e-9, "{x}");
        }
    }

    #[test]
    fn special_values() {
        assert_eq!((exp(f64::INFINITY), exp(f64::NEG_INFINITY), exp(0.0)), (f64::INFINITY, 0.0, 1.0));
        assert!(exp(f64::NAN).is_nan() && log(f64::NAN).is_nan() && log(-1.0).is_nan());
        assert_eq!((log(0.0), log(-0.0), log(1.0)), (f64::NEG_INFINITY, f64::NEG_INFINITY, 0.0));
        assert_eq!(log(f64::INFINITY), f64::INFINITY);
        assert_eq!(exp(709.782_712_893_384), 709.782_712_893_384_f64.exp());
        assert_eq!(exp(-745.1), (-745.1_f64).exp());
        assert!(ulps(log(5e-324), 5e-324_f64.ln()) <= 1.0);
        assert_eq!(minus_two_log(1.0), 0.0);
        assert!(ulps(minus_two_log(f64::EPSILON), -2.0 * f64::EPSILON.ln()) <= 4.0);
        assert_eq!(sin_cos(-0.0).0.to_bits(), (-0.0_f64).to_bits());
        assert_eq!((exp_short(100.0) as f32, exp_short(-150.0) as f32), (f32::INFINITY, 0.0));
        for at in -5000..=5000 {
            let (sin, cos) = sin_cos_near(f64::from(at) / 10_000.0);
            let angle = f64::from(at) / 10_000.0 * std::f64::consts::FRAC_PI_2;
            assert!((sin - angle.sin()).abs() < 3e-16 && (cos - angle.cos()).abs() < 3e-16);
        }
    }
}
