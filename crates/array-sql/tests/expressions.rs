//! Array expressions, beside what NumPy makes of the same.

#![allow(clippy::unwrap_used, reason = "a failed expectation is how a test reports")]

use std::sync::Arc;

use dolmen_array::{Array, ChunkSpec, lower};
use dolmen_array_sql::{
    ArrayName, ArraySqlError, Bound, Environment, bind, bind_array, numpy_text, parse_expression, queries,
    shown_positions,
};
use dolmen_graph::{Executor, GraphBuilder, InlineExecutor, SubmitOptions, TaskId, cull};
use dolmen_kernels::{Block, DType, Pool, TimeUnit};
use num_complex::Complex;
use serde::Deserialize;

/// A case of tests/golden/expressions.py or edges.py.
#[derive(Deserialize)]
struct Case {
    sql: String,
    #[serde(flatten)]
    answer: Option<Answer>,
}

/// What NumPy answers; nothing where it raises an error.
#[derive(Debug, PartialEq, Deserialize)]
struct Answer {
    dtype: String,
    shape: Vec<usize>,
    text: String,
}

/// The arrays that the script calls by these names, cut into blocks of `size`.
fn named(name: &ArrayName, size: usize) -> Option<Array> {
    let floats = |shape: &[usize], n: usize, make: fn(f64) -> f64| {
        Block::from_vec(shape, (0..n).map(|at| make(at as f64)).collect::<Vec<f64>>()).unwrap()
    };
    let block = match (name.schema.as_deref(), name.name.as_str()) {
        (None | Some("s"), "x") => floats(&[4, 6], 24, |at| at * 1.5 - 7.0),
        (None, "y") => floats(&[6], 6, |at| 0.5 + at * 0.5),
        (None, "i") => Block::from_vec(&[3, 4], (-5..7).collect::<Vec<i32>>()).unwrap(),
        (None, "u") => Block::from_vec(&[3, 4], (0..12).collect::<Vec<u8>>()).unwrap(),
        (None, "f") => Block::from_vec(&[10], (0..10_u8).map(|at| f32::from(at) / 4.0).collect()).unwrap(),
        (None, "m") => Block::from_vec(&[4, 6], (0..24).map(|at| at % 3 == 0).collect()).unwrap(),
        (None, "n") => Block::from_vec(&[5], vec![1.0, f64::NAN, 3.0, f64::INFINITY, -2.0]).unwrap(),
        (None, "z") => {
            Block::from_vec(&[3], vec![Complex::new(1.0, 2.0), Complex::new(-0.0, -0.5), Complex::new(3.0, 0.0)])
                .unwrap()
        }
        (None, "t") => {
            let days = Block::from_vec(&[12], (16_071..16_083).collect::<Vec<i64>>()).unwrap();
            days.view_as(DType::DateTime(TimeUnit::Day)).unwrap()
        }
        _ => return None,
    };
    Some(Array::from_block(block, ChunkSpec::Size(size)).unwrap())
}

const BLOCK_BYTES: usize = 128 << 20;

/// Gives `f` what expressions of the tests may refer to.
fn with_environment<T>(size: usize, f: impl FnOnce(&Environment<'_>) -> T) -> T {
    let names = || ["x", "y", "i", "u", "f", "m", "n", "z", "t"].map(str::to_owned).to_vec();
    f(&Environment { array: &|name| named(name, size), names: &names, queries: &[], seed: 5, block_bytes: BLOCK_BYTES })
}

fn bound(sql: &str, size: usize) -> Result<Array, ArraySqlError> {
    with_environment(size, |environment| bind_array(&parse_expression(sql)?, environment))
}

fn compute(array: &Array) -> Result<Block, Box<dyn std::error::Error>> {
    let mut builder = GraphBuilder::new();
    let outputs = lower(std::slice::from_ref(array), &mut builder)?;
    let graph = Arc::new(cull(builder.build()?));
    let run = InlineExecutor::new().submit(graph, SubmitOptions::default())?;
    let n_blocks = outputs[0].chunks().n_blocks()?;
    let values = (0..n_blocks).map(|p| run.wait_value(TaskId::new(outputs[0].stage(), p), None).unwrap());
    Ok(outputs[0].assemble(&values.collect::<Result<Vec<_>, _>>()?, &Pool::new(0))?)
}

fn answer(sql: &str, size: usize) -> Result<Answer, Box<dyn std::error::Error>> {
    let block = compute(&bound(sql, size)?)?;
    let text = numpy_text(block.shape(), &block)?;
    Ok(Answer { dtype: block.dtype().to_string(), shape: block.shape().to_vec(), text })
}

/// Each case in blocks of these sizes.
fn check(cases: &str, sizes: &[usize]) {
    let cases: Vec<Case> = serde_json::from_str(cases).unwrap();
    assert!(cases.len() > 200);
    let mut failures = Vec::new();
    for case in &cases {
        for size in sizes {
            let own = answer(&case.sql, *size);
            let is_right = match (&own, &case.answer) {
                (Ok(own), Some(answer)) => own == answer,
                (Err(_), None) => true,
                _ => false,
            };
            if !is_right {
                let (sql, answer) = (&case.sql, &case.answer);
                failures.push(format!("{sql} (chunks of {size})\nNumPy: {answer:?}\nours: {own:?}"));
                break;
            }
        }
    }
    assert!(failures.is_empty(), "{} of {} differ\n{}", failures.len(), cases.len(), failures.join("\n"));
}

#[test]
fn expressions_give_what_numpy_gives_under_every_chunking() {
    check(include_str!("golden/expressions.json"), &[100, 2, 3, 1]);
}

/// Arrays that are empty, of one element, not contiguous, or not finite.
#[test]
fn functions_of_unusual_arrays_give_what_numpy_gives() {
    check(include_str!("golden/edges.json"), &[100, 2]);
}

#[test]
fn mistakes_are_told_with_what_was_meant() {
    let cases = [
        ("sam(x)", "unknown function sam, did you mean sum?", 0),
        ("norm(x)", "unknown function norm, did you mean linalg.norm?", 0),
        ("frobnicate(x)", "unknown function frobnicate", 0),
        ("linalg.frob(x)", "unknown function linalg.frob", 0),
        ("1 + xx", "array \"xx\" does not exist, did you mean x?", 4),
        ("sum(x, axs => 0)", "sum has no parameter axs, did you mean axis?", 7),
        ("sum(x, out => y)", "sum has no parameter out", 7),
        ("sum(x, 0, axis => 1)", "axis is given twice", 10),
        (
            "random.normal([1, 2], 1, size => 3)",
            "shapes (2,) and (3,) do not fit: the parameters broadcast to the size",
            0,
        ),
        ("random.poisson(x[x > 5])", "`random.poisson` needs the length of axis 0", 0),
        ("random.binomial([1.5], 0.5)", "this parameter is an integer", 0),
        ("random.gamma('a')", "the argument shape of random.gamma needs a number or an array, not a string", 13),
        ("random.laplace(0, -1)", "`random.laplace`: scale is -1; it should be finite and not negative", 0),
        ("median(x, method => 'linear')", "should be 'tdigest'", 20),
        ("gradient(x, 1, 2, 3)", "has 3 spacings, for 2 axes", 0),
        ("gradient(x, y, axis => 0)", "the coordinates are a row as long as the axis", 0),
        ("moveaxis(x, [0, 1], 0)", "destinations are 1, for 2 axes", 0),
        ("sum()", "a is missing", 0),
        ("sqrt(x, y)", "2 arguments are given, it has 1 parameters", 8),
        (
            "sum(x, axis => 1.5)",
            "the argument axis of sum needs an axis or a list of axes, which are integers, not a float",
            15,
        ),
        ("sum(x, axis => 2)", "axis 2 is out of bounds", 0),
        ("sum(x, axis => 9223372036854775808)", "which are integers, not one that is so large", 15),
        ("fft.irfft(y, n => -1)", "an integer that is not negative, not a negative one", 18),
        ("digitize(y, ['a'])", "an array, not a string", 12),
        ("x + i", "do not broadcast", 0),
        ("x - mean(x, axis => 1)", "keepdims", 0),
        ("x.T", "the attribute t is not supported; write transpose(x)", 2),
        ("x.shape", "DESCRIBE shows shape, dtype and chunks", 2),
        ("(x + 1).real", "write real(x)", 8),
        ("x.sam()", "unknown function sam, did you mean sum?", 2),
        ("linalg.svd(x)", "linalg.svd has 3 results; take one of them", 0),
        ("linalg.svd(x)[3]", "take one of them by a literal from 0 to 2", 0),
        ("linalg.svd(x) + 1", "has 3 results", 0),
        ("x + 'a'", "a string is no operand of +", 2),
        ("x + null", "the operand of + needs an array, not null", 4),
        ("zeros([2, -1])", "a length or a list of lengths, none of them negative", 6),
        ("zeros(3, dtype => 'flaot64')", "unknown dtype `flaot64`, did you mean `float64`?", 18),
        ("zeros(3, dtype => float64)", "dtypes are written in quotes: 'float64'", 18),
        ("sum", "sum is a function: call it as sum(...)", 0),
        ("u + 300", "out of bounds for uint8", 0),
        ("array([300], dtype => 'uint8')", "out of bounds for uint8", 0),
        ("[[1, 2], [3]]", "a list is ragged", 0),
        ("1 / 0", "division of a literal by zero", 0),
        ("x[1.5]", "a subscript needs integers", 2),
        ("x[0, 0, 0]", "3 indices are given for an array of 2 axes", 0),
        ("x[9]", "index 9 is out of bounds for axis 0 of length 4", 0),
        ("x[:1.5]", "the bound of a slice needs an integer, not a float", 3),
        ("rechunk(x, 'big')", "needs chunks: a size", 11),
        ("rechunk(x, [2, 2, 2])", "chunks are given for 3 axes", 0),
        ("reshape(x, [5, 5])", "does not fit", 0),
        ("datetime64('yesterday')", "a point in time is written as", 11),
        ("array(SELECT 1)", "a query in this expression is not supported", 0),
        ("random.normal(size => 3, seed => -1)", "an integer from 0", 33),
        ("add.outer(x)", "add.outer takes two arrays", 0),
        ("min(x[:0])", "no elements", 0),
        ("pad(y, 1, 'round')", "should be 'constant', 'edge'", 10),
    ];
    let mut failures = Vec::new();
    for (sql, message, at) in cases {
        match bound(sql, 3) {
            Ok(_) => failures.push(format!("{sql} was taken")),
            Err(error) if !error.to_string().contains(message) || error.span().start != at => {
                failures.push(format!("{sql}: {error} (at {}, expected at {at}: {message})", error.span().start));
            }
            Err(_) => {}
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn names_come_before_constants_and_may_have_a_schema() {
    let environment = Environment {
        array: &|name| (name.name == "e").then(|| Array::scalar(dolmen_kernels::Scalar::I64(3))),
        names: &Vec::new,
        queries: &[],
        seed: 0,
        block_bytes: BLOCK_BYTES,
    };
    let text = |sql: &str| {
        let block = compute(&bind_array(&parse_expression(sql).unwrap(), &environment).unwrap()).unwrap();
        numpy_text(block.shape(), &block).unwrap()
    };
    assert_eq!(text("e + 1"), "4");
    assert_eq!(text("pi"), "3.141592653589793");
    assert_eq!(bound("s.x.sum()", 3).unwrap().n_dims(), 0);
    assert_eq!(bound("s.x[0] + 1", 3).unwrap().shape().unwrap(), [6]);
}

#[test]
fn a_function_of_several_results_gives_all_of_them() {
    let expression = parse_expression("linalg.qr(x)").unwrap();
    let Bound::Several { function, arrays } =
        with_environment(3, |environment| bind(&expression, environment)).unwrap()
    else {
        panic!("one array")
    };
    assert_eq!((function, arrays.len()), ("linalg.qr", 2));
}

#[test]
fn queries_are_told_and_taken_in_their_order() {
    let text = "array(SELECT b FROM t) + sum(array(VALUES (1), (2)), axis => 0)";
    let expression = parse_expression(text).unwrap();
    let texts: Vec<&str> = queries(&expression).iter().map(|span| &text[span.start..span.end]).collect();
    assert_eq!(texts, ["SELECT b FROM t", "VALUES (1), (2)"]);
    let arrays = [vec![10_i64, 20], vec![1, 2]].map(|values| Array::from_vec(&[2], values).unwrap());
    let environment =
        Environment { array: &|_| None, names: &Vec::new, queries: &arrays, seed: 0, block_bytes: BLOCK_BYTES };
    let block = compute(&bind_array(&expression, &environment).unwrap()).unwrap();
    assert_eq!(block.to_vec::<i64>().unwrap(), [13, 23]);
}

#[test]
fn unseeded_numbers_come_from_the_seed_of_the_statement() {
    let expression = parse_expression("random.random(4) - random.random(4)").unwrap();
    let draw = |seed| {
        let environment =
            Environment { array: &|_| None, names: &Vec::new, queries: &[], seed, block_bytes: BLOCK_BYTES };
        compute(&bind_array(&expression, &environment).unwrap()).unwrap().to_vec::<f64>().unwrap()
    };
    assert_eq!(draw(1), draw(1));
    assert_ne!(draw(1), draw(2));
    assert!(draw(1).iter().all(|difference| *difference != 0.0), "two calls draw different numbers");
}

#[test]
fn a_deep_expression_is_bound_and_computed() {
    let sql = "y".to_owned() + &" + 1".repeat(900);
    assert_eq!(compute(&bound(&sql, 3).unwrap()).unwrap().to_vec::<f64>().unwrap()[0], 900.5);
    let sql = "(".repeat(900) + "y" + &")".repeat(900);
    assert_eq!(compute(&bound(&sql, 3).unwrap()).unwrap().len(), 6);
}

/// What a large array shows is all that is computed of it.
#[test]
fn a_large_array_shows_its_corners() {
    let array = bound("arange(2000000, chunks => 1000) * 2.0", 3).unwrap();
    let shape = array.shape().unwrap();
    let corner = dolmen_array_sql::corner(&array).unwrap();
    assert_eq!(corner.shape().unwrap(), [6]);
    assert_eq!(shown_positions(&shape).unwrap()[0].len(), 6);
    let text = numpy_text(&shape, &compute(&corner).unwrap()).unwrap();
    assert_eq!(text, "[0.000000e+00 2.000000e+00 4.000000e+00 ... 3.999994e+06 3.999996e+06\n 3.999998e+06]");
    let blocks = corner.chunks().n_blocks().unwrap();
    assert!(blocks <= 2, "{blocks} blocks are computed");
}
