//! Elementwise programs against NumPy's answers, see golden/make.py.

#![allow(clippy::unwrap_used, reason = "a failed expectation is how a test reports, in its helpers as well")]

mod golden;

use dolmen_kernels::{
    Block, DType, Op, Operand, OperandType, Pool, Program, ProgramBuilder, Region, Scalar, WeakScalar, promote,
    result_dtype,
};
use golden::{inputs, report, unpack};
use serde_json::Value;

/// NumPy's own functions err by up to four units of the last place, and by more where complex numbers cancel.
fn agrees(a: Scalar, b: Scalar) -> bool {
    golden::agrees(a, b, 4.0)
}

fn assert_agree(what: &str, operands: &[&Block], actual: &Block, expected: &Block, differences: &mut Vec<String>) {
    if (actual.dtype(), actual.shape()) != (expected.dtype(), expected.shape()) {
        differences.push(format!("{what}: {} {:?}, not {}", actual.dtype(), actual.shape(), expected.dtype()));
        return;
    }
    for at in 0..actual.len() {
        let (a, b) = (actual.get(&[at]).unwrap(), expected.get(&[at]).unwrap());
        if !agrees(a, b) {
            let operands: Vec<String> = operands.iter().map(|x| x.get(&[at]).unwrap().to_string()).collect();
            differences.push(format!("{what}({}) is {a}, not {b}", operands.join(", ")));
        }
    }
}

fn program(op: Op, dtypes: &[DType]) -> dolmen_kernels::Result<Program> {
    let mut builder = ProgramBuilder::new();
    let operands: Vec<Operand> = dtypes.iter().map(|dtype| builder.input(*dtype)).collect();
    let result = builder.apply(op, &operands)?;
    builder.finish(result)
}

/// Programs travel as bytes: what is run here was written and read before.
fn travelled(program: &Program) -> Program {
    let read: Program = postcard::from_bytes(&postcard::to_stdvec(program).unwrap()).unwrap();
    assert_eq!(read, *program);
    read
}

fn run(program: &Program, operands: &[Block]) -> Block {
    travelled(program).run(operands, &Region::whole(operands[0].shape()), &Pool::new(0)).unwrap()
}

fn op_named(name: &str) -> Op {
    *Op::ALL.iter().find(|op| op.name() == name).unwrap_or_else(|| panic!("no operation {name}"))
}

/// Where NumPy's answer depends on the machine, or its special values of complex functions are those of C99 annex G.
fn is_unspecified(op: Op, operands: &[Block], at: usize) -> bool {
    let values: Vec<Scalar> = operands.iter().map(|operand| operand.get(&[at]).unwrap()).collect();
    let complex = values[0].dtype().kind() == dolmen_kernels::Kind::Complex;
    match op {
        // What is cast from an infinity, and as below.
        Op::Reciprocal => complex || values[0].as_int() == Some(0),
        // On branch cuts and poles, the sign of zero decides.
        Op::Arctanh
        | Op::Arctan
        | Op::Arccosh
        | Op::Arccos
        | Op::Arcsin
        | Op::Arcsinh
        | Op::Log2
        | Op::Log10
        | Op::Log
        | Op::Log1p
        | Op::TrueDivide
        | Op::Power => complex,
        _ => false,
    }
}

#[test]
fn ufuncs_are_those_of_numpy() {
    let golden = golden::read("elementwise");
    let inputs = inputs(&golden);
    let mut differences = Vec::new();
    let mut n_compared = 0;
    for case in golden["ufuncs"].as_array().unwrap() {
        let op = op_named(case["op"].as_str().unwrap());
        let operands: Vec<Block> =
            case["operands"].as_array().unwrap().iter().map(|name| inputs[name.as_str().unwrap()].clone()).collect();
        let dtypes: Vec<DType> = operands.iter().map(Block::dtype).collect();
        let what = format!("{}{dtypes:?}", op.name());
        let strong: Vec<OperandType> = dtypes.iter().map(|dtype| OperandType::Strong(*dtype)).collect();
        let (program, expected) = match (program(op, &dtypes), &case["result"]) {
            (Err(_), Value::Null) => continue,
            (Ok(_), Value::Null) => {
                differences.push(format!("{what}: NumPy refuses it"));
                continue;
            }
            (Err(error), _) => {
                differences.push(format!("{what}: {error}"));
                continue;
            }
            (Ok(program), result) => (program, unpack(result)),
        };
        assert_eq!(result_dtype(op, &strong), Ok(program.dtype()));
        let actual = run(&program, &operands);
        n_compared += actual.len();
        let mut found = Vec::new();
        let views: Vec<&Block> = operands.iter().collect();
        assert_agree(&what, &views, &actual, &expected, &mut found);
        let settled = |at: &usize| !is_unspecified(op, &operands, *at);
        if (0..actual.len()).all(|at| settled(&at)) {
            differences.extend(found);
        } else {
            let kept: Vec<usize> = (0..actual.len()).filter(settled).collect();
            for at in kept {
                let (a, b) = (actual.get(&[at]).unwrap(), expected.get(&[at]).unwrap());
                if !agrees(a, b) {
                    differences.push(format!("{what} at {at}: {a}, not {b}"));
                }
            }
        }
    }
    assert!(n_compared > 20_000);
    report(&differences);
}

#[test]
fn casts_and_rounds_are_those_of_numpy() {
    let golden = golden::read("elementwise");
    let inputs = inputs(&golden);
    let mut differences = Vec::new();
    let casts = golden["casts"].as_array().unwrap().iter().map(|case| {
        let to: DType = case["to"].as_str().unwrap().parse().unwrap();
        (Op::Cast(to), case)
    });
    let rounds = golden["rounds"]
        .as_array()
        .unwrap()
        .iter()
        .map(|case| (Op::Round(case["decimals"].as_i64().unwrap() as i32), case));
    for (op, case) in casts.chain(rounds) {
        let operand = &inputs[case["operand"].as_str().unwrap()];
        let what = format!("{op:?} of {}", operand.dtype());
        match (program(op, &[operand.dtype()]), &case["result"]) {
            (Err(_), Value::Null) => {}
            (Ok(_), Value::Null) => differences.push(format!("{what}: NumPy refuses it")),
            (Err(error), _) => differences.push(format!("{what}: {error}")),
            (Ok(program), result) => {
                let actual = run(&program, std::slice::from_ref(operand));
                assert_agree(&what, &[operand], &actual, &unpack(result), &mut differences);
            }
        }
    }
    report(&differences);
}

#[test]
fn dtypes_are_those_of_numpy() {
    let golden = golden::read("dtypes");
    let mut differences = Vec::new();
    let name = |value: &Value| value.as_str().map(str::to_owned);
    for case in golden["promotions"].as_array().unwrap() {
        let [a, b] = [0, 1].map(|at| case[at].as_str().unwrap().parse::<DType>().unwrap());
        let actual = promote(a, b).ok().map(DType::name);
        if actual != name(&case[2]) {
            differences.push(format!("promote({a}, {b}) is {actual:?}, not {}", case[2]));
        }
        assert_eq!(promote(a, b).ok(), promote(b, a).ok(), "promotion is symmetric");
    }
    for case in golden["literals"].as_array().unwrap() {
        let op = op_named(case[0].as_str().unwrap());
        let dtype: DType = case[1].as_str().unwrap().parse().unwrap();
        let literal = match case[2].as_str().unwrap() {
            "bool" => WeakScalar::Bool(true),
            "int" => WeakScalar::Int(3),
            "float" => WeakScalar::Float(2.5),
            _ => WeakScalar::Complex(num_complex::Complex::new(1.0, 2.0)),
        };
        let actual = result_dtype(op, &[OperandType::Strong(dtype), OperandType::Weak(literal)]).ok().map(DType::name);
        if actual != name(&case[3]) {
            differences.push(format!("{}({dtype}, {literal:?}) is {actual:?}, not {}", op.name(), case[3]));
        }
    }
    report(&differences);
}

#[test]
fn scalars_print_as_numpy() {
    let golden = golden::read("dtypes");
    let mut differences = Vec::new();
    for case in golden["texts"].as_array().unwrap() {
        let dtype: DType = case[0].as_str().unwrap().parse().unwrap();
        let value = hex_float(case[1].as_str().unwrap());
        let text = Scalar::F64(value).cast(dtype).unwrap().to_string();
        if text != case[2].as_str().unwrap() {
            differences.push(format!("{dtype} {value:e} prints {text}, not {}", case[2]));
        }
    }
    report(&differences);
}

/// Python's `float.hex()`.
fn hex_float(text: &str) -> f64 {
    match text.trim_start_matches('-') {
        "inf" => return if text.starts_with('-') { f64::NEG_INFINITY } else { f64::INFINITY },
        "nan" => return f64::NAN,
        _ => {}
    }
    let (digits, exponent) = text.trim_start_matches('-').trim_start_matches("0x").split_once('p').unwrap();
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let mantissa = u64::from_str_radix(&format!("{whole}{fraction}"), 16).unwrap() as f64;
    let exponent = exponent.parse::<i32>().unwrap() - 4 * fraction.len() as i32;
    // In two steps, because the power alone may be too small to be a number.
    let value = mantissa * 2_f64.powi(exponent / 2) * 2_f64.powi(exponent - exponent / 2);
    if text.starts_with('-') { -value } else { value }
}

#[test]
fn integers_beyond_the_range_compare_with_anything() {
    let mut builder = ProgramBuilder::new();
    let x = builder.input(DType::U8);
    for (op, literal, first, expected) in [
        (Op::Less, 300, false, true),
        (Op::Less, 300, true, false),
        (Op::GreaterEqual, -1, false, true),
        (Op::Equal, 300, false, false),
        (Op::NotEqual, -1, true, true),
    ] {
        let weak = Operand::Weak(WeakScalar::Int(literal));
        let operands = if first { [weak, x] } else { [x, weak] };
        let mut builder = builder.clone();
        let result = builder.apply(op, &operands).unwrap();
        let block = Block::from_vec(&[2], vec![0_u8, 255]).unwrap();
        let result = builder.finish(result).unwrap().run(&[block], &Region::whole(&[2]), &Pool::new(0)).unwrap();
        assert_eq!(result.to_vec::<bool>().unwrap(), [expected; 2], "{op:?} {literal} {first}");
    }
    assert!(builder.apply(Op::Add, &[x, Operand::Weak(WeakScalar::Int(300))]).is_err());
}
