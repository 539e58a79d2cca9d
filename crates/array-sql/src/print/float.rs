//! Floats, all in one format: positional or scientific, with as many digits as tell them from their neighbours, up to eight
//! behind the point.

use half::f16;

/// Digits behind the point, at most.
const PRECISION: usize = 8;

/// The precision of the values, which decides how many digits tell them from their neighbours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FloatKind {
    Half,
    Single,
    Double,
}

impl FloatKind {
    /// `value` as this kind holds it.
    fn rounded(self, value: f64) -> f64 {
        match self {
            Self::Half => f16::from_f64(value).to_f64(),
            Self::Single => f64::from(value as f32),
            Self::Double => value,
        }
    }

    /// Whether values from `max` down to `min` (both above zero) are written with exponents.
    fn is_scientific(self, min: f64, max: f64) -> bool {
        // From here on a number has more digits before the point than the kind tells apart.
        let cutoff = match self {
            Self::Half => 1e3,
            Self::Single => 1e6,
            Self::Double => 1e8,
        };
        max >= cutoff || min < self.rounded(0.0001) || self.rounded(max / min) > 1000.0
    }

    /// The fewest digits that read back as `value`, with an exponent.
    fn shortest_scientific(self, value: f64) -> String {
        match self {
            Self::Half => format!("{:e}", shortest_half(value)),
            Self::Single => format!("{:e}", value as f32),
            Self::Double => format!("{value:e}"),
        }
    }

    /// The fewest digits that read back as `value`, without an exponent.
    fn shortest_positional(self, value: f64) -> String {
        match self {
            Self::Half => shortest_half(value).to_string(),
            Self::Single => (value as f32).to_string(),
            Self::Double => value.to_string(),
        }
    }
}

/// The float64 of the fewest digits that a float16 reads back as `value`.
fn shortest_half(value: f64) -> f64 {
    (0..5)
        .filter_map(|digits| format!("{value:.digits$e}").parse::<f64>().ok())
        .find(|short| f16::from_f64(*short).to_f64() == value)
        .unwrap_or(value)
}

/// Which numbers have a sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sign {
    Minus,
    Always,
}

/// How the floats of an array are written.
#[derive(Debug, Clone)]
pub(super) struct FloatFormat {
    kind: FloatKind,
    sign: Sign,
    form: Form,
    /// Characters before the point, sign included.
    before: usize,
    /// Characters behind the point.
    behind: usize,
}

#[derive(Debug, Clone, Copy)]
enum Form {
    Positional,
    Scientific { n_fraction: usize, n_exponent: usize },
}

impl FloatFormat {
    /// The format that all of `values` are written in.
    pub(super) fn of(values: &[f64], kind: FloatKind, sign: Sign) -> Self {
        let finite: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
        let magnitudes = || finite.iter().map(|value| value.abs()).filter(|value| *value != 0.0);
        let min = magnitudes().fold(f64::INFINITY, f64::min);
        let max = magnitudes().fold(0.0, f64::max);
        let mut format = Self { kind, sign, form: Form::Positional, before: 0, behind: 0 };
        if max > 0.0 && kind.is_scientific(min, max) {
            format.fit_scientific(&finite);
        } else {
            format.fit_positional(&finite);
        }
        if finite.len() < values.len() {
            let room = format.behind + 1;
            let has_sign = sign == Sign::Always || values.contains(&f64::NEG_INFINITY);
            format.before = format.before.max((3 + usize::from(has_sign)).saturating_sub(room));
        }
        format
    }

    fn fit_positional(&mut self, finite: &[f64]) {
        for value in finite {
            let (whole, fraction) = self.positional(*value);
            self.before = self.before.max(whole.len());
            self.behind = self.behind.max(fraction.len());
        }
    }

    fn fit_scientific(&mut self, finite: &[f64]) {
        let (mut n_fraction, mut n_exponent) = (0, 2);
        for value in finite {
            let mut text = self.kind.shortest_scientific(*value);
            if Scientific::of(&text).fraction.len() > PRECISION {
                text = format!("{value:.PRECISION$e}");
            }
            let written = Scientific::of(&text);
            self.before = self.before.max(self.signed(*value, written.whole).len());
            n_fraction = n_fraction.max(written.fraction.trim_end_matches('0').len());
            n_exponent = n_exponent.max(written.exponent.trim_start_matches('-').len());
        }
        self.form = Form::Scientific { n_fraction, n_exponent };
        self.behind = n_fraction + 2 + n_exponent;
    }

    /// The number, as wide as the others.
    pub(super) fn text(&self, value: f64) -> String {
        let Self { before, behind, .. } = *self;
        if !value.is_finite() {
            let name = if value.is_nan() { "nan" } else { "inf" };
            // The sign of NaN says nothing.
            let text = self.signed(if value.is_nan() { 1.0 } else { value }, name);
            return format!("{text:>width$}", width = before + behind + 1);
        }
        match self.form {
            Form::Positional => {
                let (whole, fraction) = self.positional(value);
                format!("{whole:>before$}.{fraction:<behind$}")
            }
            Form::Scientific { n_fraction, n_exponent } => {
                let digits = format!("{value:.n_fraction$e}");
                let written = Scientific::of(&digits);
                let whole = self.signed(value, written.whole);
                let (sign, exponent) = match written.exponent.strip_prefix('-') {
                    Some(exponent) => ('-', exponent),
                    None => ('+', written.exponent),
                };
                format!("{whole:>before$}.{}e{sign}{exponent:0>n_exponent$}", written.fraction)
            }
        }
    }

    /// What stands before the point, and what stands behind it.
    fn positional(&self, value: f64) -> (String, String) {
        let mut text = self.kind.shortest_positional(value);
        if text.split_once('.').is_some_and(|(_, fraction)| fraction.len() > PRECISION) {
            text = format!("{value:.PRECISION$}");
        }
        let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
        (self.signed(value, whole.trim_start_matches('-')), fraction.trim_end_matches('0').to_owned())
    }

    fn signed(&self, value: f64, digits: &str) -> String {
        let sign = match self.sign {
            _ if value.is_sign_negative() => "-",
            Sign::Always => "+",
            Sign::Minus => "",
        };
        format!("{sign}{digits}")
    }
}

/// The parts of a number such as `-1.25e-7`, without its sign.
struct Scientific<'a> {
    whole: &'a str,
    fraction: &'a str,
    exponent: &'a str,
}

impl<'a> Scientific<'a> {
    fn of(text: &'a str) -> Self {
        let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        Self { whole: whole.trim_start_matches('-'), fraction, exponent }
    }
}
