//! Every function of array SQL over arrays of four times the memory limit.

use dolmen::Session;
use futures::executor::block_on;

use dolmen::output::Format;

const LIMIT_BYTES: u64 = 2 << 20;

/// Arrays of 8 MiB in blocks of 32 KiB. Only the last two are small: positions, and a matrix that has an inverse.
const ARRAYS: &str = "
    CREATE ARRAY v AS random.uniform(0.25, 0.75, size => [1048576], chunks => 4096, seed => 1);
    CREATE ARRAY w AS random.uniform(0.25, 0.75, size => [1048576], chunks => 4096, seed => 2);
    CREATE ARRAY x AS random.uniform(0.25, 0.75, size => [1024, 1024], chunks => [64, 64], seed => 3);
    CREATE ARRAY y AS random.uniform(0.25, 0.75, size => [1024, 1024], chunks => [64, 64], seed => 4);
    CREATE ARRAY tall AS random.uniform(-1, 1, size => [65536, 16], chunks => [256, 16], seed => 5);
    CREATE ARRAY i AS random.integers(0, 100, size => [1048576], chunks => 4096, seed => 6);
    CREATE ARRAY j AS random.integers(1, 5, size => [1048576], chunks => 4096, seed => 7);
    CREATE ARRAY c AS complex(v, w);
    CREATE ARRAY p AS random.integers(0, 1024, size => [100], chunks => 100, seed => 8);
    CREATE ARRAY s AS x + 1024 * eye(1024, chunks => [64, 64]);
";

fn session(limit_bytes: u64) -> Session {
    let session = Session::builder().threads(2).memory_limit(limit_bytes).build().unwrap();
    for query in session.script(ARRAYS).unwrap() {
        query.collect_blocking().unwrap();
    }
    session
}

fn printed(session: &Session, expression: &str) -> Result<String, String> {
    let printed = block_on(session.sql(format!("ARRAY {expression}")).printed_array(Format::Json));
    printed.map(|text| String::from_utf8(text.unwrap()).unwrap()).map_err(|error| error.report())
}

/// Whether two texts have the same numbers but for the last bits of sums, which are cut by how much memory there is.
fn are_close(ours: &str, expected: &str) -> bool {
    let is_separator = |c: char| c.is_whitespace() || matches!(c, ',' | '[' | ']');
    let numbers = |text: &str| text.split(is_separator).map(str::to_owned).collect::<Vec<_>>();
    let is_close = |(a, b): (&String, &String)| match (a.parse::<f64>(), b.parse::<f64>()) {
        (Ok(a), Ok(b)) => a == b || (a - b).abs() <= 1e-11 * b.abs(),
        _ => a == b,
    };
    let (ours, expected) = (numbers(ours), numbers(expected));
    ours.len() == expected.len() && ours.iter().zip(&expected).all(is_close)
}

/// Runs each expression under the limit; what it gives is what it gives with memory to spare.
fn run(expressions: &[String]) {
    let (small, large) = (session(LIMIT_BYTES), session(1 << 30));
    let mut failed = Vec::new();
    for expression in expressions {
        let (ours, expected) = (printed(&small, expression), printed(&large, expression));
        let is_same = matches!((&ours, &expected), (Ok(ours), Ok(expected)) if are_close(ours, expected));
        if !is_same {
            failed.push(format!("{expression}: {ours:?}, with more memory {expected:?}"));
        }
    }
    assert!(failed.is_empty(), "{} of {}:\n{}", failed.len(), expressions.len(), failed.join("\n"));
    let peak_bytes = small.memory_peak_bytes() as u64;
    assert!(peak_bytes <= LIMIT_BYTES + LIMIT_BYTES / 4, "{peak_bytes} bytes");
    crate::stages::until_free(&small);
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split_whitespace()
}

const OF_ONE: &str = "absolute angle arccos arcsin arctan arctanh cbrt ceil conjugate cos cosh deg2rad degrees exp exp2 expm1 fabs floor i0 imag isfinite
    isinf isnan iscomplex isneginf isposinf isreal log log10 log1p log2 logical_not nan_to_num negative notnull positive rad2deg radians real reciprocal rint round
    sign signbit sin sinc sinh spacing sqrt square tan tanh trunc arccosh arcsinh astype_f32 float32 float64 float16 complex64 complex128 int8 int16 int32 int64 uint8 uint16 uint32 uint64 bool";
const OF_TWO: &str = "add arctan2 copysign equal float_power floor_divide fmax fmin fmod greater greater_equal heaviside hypot less less_equal logaddexp
    logaddexp2 logical_and logical_or logical_xor maximum minimum multiply nextafter not_equal power remainder subtract true_divide isclose";
const OF_INTEGERS: &str = "bitwise_and bitwise_or bitwise_xor left_shift right_shift";
const REDUCTIONS: &str = "sum prod mean var std min max any all argmin argmax count_nonzero ptp average nansum nanprod nanmean nanvar nanstd nanmin nanmax
    nanargmin nanargmax";

#[test]
fn elementwise() {
    let of_one = words(OF_ONE).map(|f| match f {
        "astype_f32" => "sum(astype(v, 'float32'))".to_owned(),
        _ => format!("sum({f}(v))"),
    });
    let of_two = words(OF_TWO).map(|f| format!("sum({f}(v, w))"));
    let of_integers = words(OF_INTEGERS).map(|f| format!("sum({f}(i, j))"));
    let others = "sum(invert(i)); sum(where(v > w, v, w)); sum(clip(v, 0.3, w)); sum(divmod(v, w)[0]); sum(modf(v * 8)[1]); sum(frexp(v)[1]); sum(ldexp(v, j));
        allclose(v, w); array_equal(v, v); sum(complex(v, w)); sum(c * c); sum(choose(j - 1, [v, w, v, 2])); sum(astype(i, 'datetime64[s]') > datetime64('1970-01-01T00:00:50'));
        sum(add.outer(v[:1000], w[:1000])); sum(timedelta64(3, 's') * i > timedelta64(60, 's')); sum(isclose(v, w, equal_nan => true))";
    let others = others.split(';').map(|expression| expression.trim().to_owned());
    run(&of_one.chain(of_two).chain(of_integers).chain(others).collect::<Vec<_>>());
}

#[test]
fn reductions() {
    let axes = words(REDUCTIONS)
        .flat_map(|f| [format!("{f}(v)"), format!("sum({f}(x, axis => 0))"), format!("sum({f}(x, axis => 1))")]);
    let others = "sum(cumsum(v)); sum(cumprod(v + 0.5)); sum(nancumsum(x, axis => 1)); sum(nancumprod(x, axis => 0)); topk(v, 3); sum(topk(x, 5, axis => 1));
        quantile(v, 0.3, method => 'tdigest');
        sum(median(x, axis => 1)); sum(histogram(v, bins => 20)[0]); histogram(v, linspace(0, 1, 5))[0]; histogram2d(v, w, bins => 3)[0]; histogramdd([v, w], bins => [2, 2])[0];
        moment(v, 3); stats.skew(v); stats.kurtosis(v); stats.ttest_1samp(v, 0.5)[0]; stats.ttest_ind(v, w)[1]; stats.ttest_rel(v, w)[0];
        sum(unique(i)); unique(j, return_counts => true)[1]; sum(union1d(i, j)); sum(isin(i, [3, 5])); sum(searchsorted([0.3, 0.5], v)); sum(digitize(v, linspace(0, 1, 9))); bincount(j);
        sum(linalg.norm(x, axis => 1)); linalg.norm(v); linalg.norm(x, 1); linalg.norm(x, 'fro'); trace(x); sum(trapezoid(v)); average(v, weights => w)";
    run(&axes.chain(others.split(';').map(|expression| expression.trim().to_owned())).collect::<Vec<_>>());
}

#[test]
fn shapes() {
    let expressions = "sum(reshape(v, [2048, 512])[:, 3]); sum(ravel(x)[5:]); sum(transpose(x)[0]); sum(matrix_transpose(x)[1]); sum(swapaxes(x, 0, 1)[2]); sum(moveaxis(x, 0, 1)[2]); sum(rollaxis(x, 1)[2]);
        sum(expand_dims(x, 1)); sum(squeeze(expand_dims(x, 1))); sum(broadcast_to(v[:1024], [1024, 1024])); sum(broadcast_arrays(v[:1024], x)[0]); sum(atleast_1d(v)); sum(atleast_2d(v)); sum(atleast_3d(v));
        flip(v)[:3]; sum(flipud(x)[0]); sum(fliplr(x)[0]); sum(rot90(x)[0]); sum(roll(v, 1000)[:10]); sum(repeat(v, 2)); sum(tile(v, 2)); sum(concatenate([v, w])); sum(stack([v, w])); sum(vstack([x, y]));
        sum(hstack([x, y])); sum(dstack([x, y])); sum(column_stack([v, w])); sum(block([[x, y], [y, x]])); sum(append(v, w)); sum(insert(v, 5, 0.5)); sum(delete(v, [3, 4])); sum(split(v, 4)[1]);
        sum(array_split(v, 3)[2]); sum(hsplit(x, 2)[0]); sum(vsplit(x, 2)[1]); sum(dsplit(dstack([x, y]), 2)[1]); sum(pad(x, 3)); sum(pad(x, 3, mode => 'reflect')); sum(rechunk(x, [32, 128])[:, 3]);
        sum(rechunk(x, [1, 1024])); shape(x); size(x); ndim(x); sum(x[::2, ::-3]); sum(take(v, [5, 1000000, 70])); sum(x[[5, 900, 5], [1000, 3, 7]]); sum(take(x, [5, 900], axis => 1)); sum(x[p]); sum(v[v > 0.5]); sum(compress(v > 0.5, w)); sum(extract(v > 0.5, w));
        sum(nonzero(v > 0.5)[0]); sum(flatnonzero(v > 0.7)); sum(argwhere(x > 0.7)); sum(unravel_index(i, [10, 10])[1]); sum(setitem(v, slice(null, 100), 9)); sum(setitem(x, x > 0.5, 0)); sum(diag(x)); sum(diagonal(x, 5));
        sum(tril(x)); sum(triu(x, 3)); sum(tril_indices(200)[0]); sum(triu_indices(200)[1]); sum(diff(v)); sum(ediff1d(v)); sum(gradient(v)); sum(gradient(x)[1]); sum(diag(v[:1000]));
        sum(zeros([1024, 1024], chunks => [64, 64])); sum(ones_like(x)); sum(full([1024, 1024], 3, chunks => [64, 64])); sum(full_like(x, 2)); sum(zeros_like(x)); sum(empty_like(x) * 0); sum(empty([1024, 1024], chunks => [64, 64]) * 0); sum(eye(1024, chunks => [64, 64]));
        sum(identity(1024)[5]); sum(arange(1048576, chunks => 4096)); sum(linspace(0, 1, 1048576, chunks => 4096)); sum(tri(1024, chunks => [64, 64])); sum(indices([1024, 1024], chunks => [64, 64])[1]); sum(meshgrid(v[:1024], w[:1024])[0]); sum(array([1, 2]))";
    run(&expressions.split(';').map(|expression| expression.trim().to_owned()).collect::<Vec<_>>());
}

#[test]
fn algebra() {
    let expressions = "sum((x @ y)[0]); sum(matmul(x, y)); sum(dot(x, y), axis => 0)[3]; sum(outer(v[:1024], w[:1024])); sum(tensordot(x, y, axes => 1)[5]); sum(einsum('ij,kj->ik', x, y)[5]);
        abs(linalg.qr(tall)[1][0, 0]); sum(linalg.qr(tall)[0] ** 2); linalg.svd(tall)[1]; linalg.svdvals(tall);
        sum(linalg.solve(s, v[:1024])); sum(linalg.inv(s)[0]); sum(linalg.cholesky(s @ transpose(s))[5]); sum(linalg.lu(s)[2][0]); sum(linalg.solve_triangular(tril(s), v[:1024], lower => true)); sum(linalg.multi_dot([x, y, x])[0]);
        sum(linalg.matrix_power(x / 512, 3)[0]); sum(sort(x, axis => 1)[:, 0]); sum(argsort(x, axis => 0)[0]); sum(abs(fft.fft(x))); sum(abs(fft.ifft(x, axis => 0))); sum(abs(fft.rfft(x))); sum(fft.irfft(c[:4096])); sum(abs(fft.hfft(c[:4096])));
        sum(abs(fft.ihfft(x))); sum(fft.fftshift(x)[0]); sum(fft.ifftshift(v)[:5]); sum(fft.fftfreq(1000)); sum(fft.rfftfreq(1000)); sum(linalg.eigh(s[:128, :128])[0]); sum(linalg.eigvalsh(s[:128, :128]))";
    run(&expressions.split(';').map(|expression| expression.trim().to_owned()).collect::<Vec<_>>());
}

#[test]
fn random() {
    let laws = "random(; uniform(0, 1, ; normal(0, 1, ; standard_normal(; integers(0, 9, ; randint(0, 9, ; exponential(2, ; standard_exponential(; gamma(2, 1, ; beta(1, 2, ; chisquare(3, ; f(3, 4, ; standard_t(5, ; standard_cauchy(;
        lognormal(0, 1, ; laplace(0, 1, ; logistic(0, 1, ; gumbel(0, 1, ; weibull(2, ; pareto(3, ; power(2, ; rayleigh(1, ; triangular(0, 1, 2, ; wald(1, 2, ; vonmises(0, 1, ; poisson(4, ; binomial(9, 0.5, ; negative_binomial(9, 0.5, ;
        geometric(0.5, ; hypergeometric(9, 8, 7, ; zipf(3, ; logseries(0.5, ";
    let laws = laws
        .split(';')
        .map(|law| format!("sum(random.{}size => [1048576], chunks => 4096, seed => 9))", law.trim_start()));
    let others = "sum(random.normal(v, 1, seed => 1)); sum(random.multinomial(20, [0.2, 0.8], size => [10000], seed => 1)); random.multivariate_normal([0, 1], [[1, 0], [0, 1]], size => [10000], seed => 1)[5];
        sum(random.choice(5, size => [1048576], chunks => 4096, seed => 1)); sum(random.permutation(1000, seed => 1)[:5])";
    run(&laws.chain(others.split(';').map(|expression| expression.trim().to_owned())).collect::<Vec<_>>());
}

/// What has to have something in one block, as docs/arrays.md lists it, is refused before it runs where that block is too large.
#[test]
fn what_must_be_one_block_is_refused() {
    let session = session(LIMIT_BYTES);
    for expression in [
        "sum(sort(v))",
        "sum(argsort(v))",
        "argtopk(v, -3)",
        "sum(abs(fft.fft(v)))",
        "sum(linalg.eigh(s)[0])",
        "sum(isin(v, w))",
        "sum(searchsorted(sort(v), w))",
    ] {
        let error = printed(&session, expression).unwrap_err();
        assert!(error.contains("the limit is"), "{expression}: {error}");
    }
    assert!(session.memory_peak_bytes() as u64 <= LIMIT_BYTES + LIMIT_BYTES / 4);
}

/// Digits of ranks are counted in tables of half a megabyte, sixteen of which are summed at once, however large the array is.
#[test]
fn ranks() {
    let (limit_bytes, n) = (20 << 20, 10 << 20);
    let array =
        format!("CREATE OR REPLACE ARRAY v AS random.uniform(0.25, 0.75, size => [{n}], chunks => 65536, seed => 1)");
    let (small, large) = (session(limit_bytes), session(1 << 30));
    for session in [&small, &large] {
        session.sql(&array).collect_blocking().unwrap();
    }
    for expression in [
        "median(v)",
        "nanmedian(v)",
        "quantile(v, [0.1, 0.9])",
        "percentile(v, 30, method => 'nearest')",
        "nanquantile(v, 0.5)",
        "nanpercentile(v, 10)",
    ] {
        let (ours, expected) = (printed(&small, expression), printed(&large, expression));
        assert!(ours.is_ok() && ours == expected, "{expression}: {ours:?}, with more memory {expected:?}");
    }
    assert!(small.memory_peak_bytes() as u64 <= limit_bytes + limit_bytes / 4);
}

/// What is cut by how much memory there is.
#[test]
fn by_the_limit() {
    let expressions = "vdot(v, w); sum(inner(x, y)[5]); einsum('ij,ij->', x, y); sum(einsum('ij,jk->ik', x, y)[7]); sum(cov(transpose(tall))); sum(corrcoef(transpose(tall))[0]);
        sum(linalg.lstsq(tall, v[:65536])[0]); linalg.svd_compressed(x, 3, seed => 1)[1][0]; sum(kron(x[:64], [[1, 2], [3, 4]])); sum(abs(fft.fft2(x))); sum(abs(fft.ifft2(x))); sum(abs(fft.rfft2(x)));
        sum(fft.irfft2(x)[5]); sum(abs(fft.fftn(x))); sum(abs(fft.ifftn(x))); sum(abs(fft.rfftn(x))); sum(fft.irfftn(x)[5]); sum(random.multinomial(20, [0.2, 0.8], size => [1048576], seed => 1)[:, 0]);
        sum(random.multivariate_normal([0, 1], [[1, 0], [0, 1]], size => [500000], seed => 1)); mean(random.random([1024, 1024], seed => 1)); sum(ones([1024, 1024]) @ y); sum(arange(1048576));
        sum(v[:1024, newaxis] * w[newaxis, :1024]); std(random.normal(0, 1, size => [1048576], seed => 1)); sum(rechunk(x, [-1, 'auto'])[:, 3]); sum(cumsum(linspace(0, 1, 1048576)));
        sum(median(rechunk(transpose(tall), [16, 256]), axis => 1))";
    run(&expressions.split(';').map(|expression| expression.trim().to_owned()).collect::<Vec<_>>());
}

/// No function of the documentation is left out above.
#[test]
fn every_function_is_tried() {
    let tried = include_str!("out_of_core.rs");
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
    let tried: std::collections::BTreeSet<&str> = tried.split(|c| !is_part(c)).collect();
    let text = include_str!("../../../../docs/arrays.md");
    let text =
        text.split("Functions of array SQL; ").nth(1).unwrap().split("Parameters of random laws").next().unwrap();
    // Words about the list, and what stands for a family, are no functions.
    let is_name = |name: &&str| name.chars().all(is_part) && !matches!(*name, "Array" | "_like" | "ones");
    let names: Vec<&str> = text.split('`').skip(1).step_by(2).filter(is_name).collect();
    assert!(names.len() > 200);
    let missing: Vec<&&str> = names
        .iter()
        .filter(|name| !tried.contains(**name) && !tried.contains(name.trim_start_matches("random.")))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}
