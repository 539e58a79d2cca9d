//! Functions that no library of the system has.

use std::f64::consts::PI;

/// `x` times two to the power of the integer `n`; NaN for what is no integer.
pub(crate) fn ldexp(x: f64, n: f64) -> f64 {
    if n.fract() != 0.0 || n.is_nan() { f64::NAN } else { libm::ldexp(x, n.clamp(-5000.0, 5000.0) as i32) }
}

/// The modified Bessel function of the first kind and order zero.
///
/// Source: Abramowitz and Stegun, Handbook of Mathematical Functions, 9.6.12 and 9.7.1.
pub(crate) fn i0(x: f64) -> f64 {
    let x = x.abs();
    if x.is_nan() || x.is_infinite() {
        return x;
    }
    if x <= 30.0 {
        let quarter = x * x / 4.0;
        let (mut term, mut sum) = (1.0, 1.0);
        let mut k = 1.0;
        while term > sum * 1e-17 {
            term *= quarter / (k * k);
            sum += term;
            k += 1.0;
        }
        return sum;
    }
    let (mut term, mut sum) = (1.0, 1.0);
    for k in 1..30 {
        let odd = f64::from(2 * k - 1);
        let next = term * odd * odd / (8.0 * x * f64::from(k));
        if next >= term {
            break;
        }
        term = next;
        sum += term;
    }
    // In two steps, as the exponential alone may be infinite.
    let half = (x / 2.0).exp();
    half * (sum / (2.0 * PI * x).sqrt()) * half
}

/// The chance that Student's t with `df` degrees of freedom is as far from zero as `t`, on either side.
pub(crate) fn student_tails(t: f64, df: f64) -> f64 {
    if t.is_nan() || df.is_nan() || df <= 0.0 {
        return f64::NAN;
    }
    if t.is_infinite() {
        return 0.0;
    }
    if df.is_infinite() {
        return libm::erfc(t.abs() / std::f64::consts::SQRT_2);
    }
    // By the square of t over df, whichever way around keeps its digits.
    let (square, half) = (t * t, df / 2.0);
    if square < df {
        1.0 - beta_share(0.5, half, square / (df + square))
    } else {
        beta_share(half, 0.5, df / (df + square))
    }
}

/// The regularised incomplete beta function.
///
/// Source: Abramowitz and Stegun, 26.5.8, evaluated by the method of Lentz (1976).
fn beta_share(a: f64, b: f64, x: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    if x >= 1.0 {
        return 1.0;
    }
    // The fraction converges fast on this side only.
    if x > (a + 1.0) / (a + b + 2.0) {
        return 1.0 - beta_share(b, a, 1.0 - x);
    }
    let log = a * x.ln() + b * (-x).ln_1p() + libm::lgamma(a + b) - libm::lgamma(a) - libm::lgamma(b);
    let away = |value: f64| if value.abs() < 1e-300 { 1e-300 } else { value };
    let (mut c, mut d) = (1.0, 1.0 / away(1.0 - (a + b) * x / (a + 1.0)));
    let mut fraction = d;
    for m in 1..500 {
        let m = f64::from(m);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        let mut change = 1.0;
        for term in [even, odd] {
            d = 1.0 / away(1.0 + term * d);
            c = away(1.0 + term / c);
            change = c * d;
            fraction *= change;
        }
        if (change - 1.0_f64).abs() < 1e-16 {
            break;
        }
    }
    log.exp() * fraction / a
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() <= 1e-12 * b.abs()
    }

    #[test]
    fn values_of_tables() {
        // scipy.special.i0
        for (x, value) in [
            (0.0, 1.0),
            (1.0, 1.266_065_877_752_008_3),
            (-5.0, 27.239_871_823_604_44),
            (50.0, 2.932_553_783_849_336e20),
        ] {
            assert!(close(i0(x), value), "{x}: {}", i0(x));
        }
        assert!(i0(713.0).is_finite() && i0(f64::INFINITY).is_infinite() && i0(f64::NAN).is_nan());
        // One degree of freedom is Cauchy's law, two have a closed form.
        for t in [1e-9_f64, 0.1, 1.0, 3.0, 1e6] {
            assert!(close(student_tails(t, 1.0), 1.0 - 2.0 * t.atan() / PI) || t == 1e6);
            assert!(close(student_tails(-t, 2.0), 1.0 - t / (2.0 + t * t).sqrt()) || t == 1e6);
        }
        assert!(close(student_tails(1e6, 1.0), 2.0 / PI / 1e6));
        assert!(close(student_tails(2.0, f64::INFINITY), 0.045_500_263_896_358_42));
        assert_eq!((student_tails(0.0, 5.0), student_tails(f64::INFINITY, 5.0)), (1.0, 0.0));
        assert_eq!((ldexp(1.5, 4.0), ldexp(1.0, -1074.0), ldexp(1.0, 1e9)), (24.0, 5e-324, f64::INFINITY));
    }
}
