//! Every simple operator, with its operands in every kind of place, against its reference
//! semantics in [`upshift_abi::eval`], in every mode.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use upshift::{Engine, Instance, Module, Store, Trap, Val, ValType};
use upshift_abi::eval;
use upshift_abi::ops::{LaneOp, SimdOp, SimpleOp};
use upshift_tests::matrix::{Case, Consumer, Matrix, Place, values};
use upshift_tests::modes;

/// Differences that are listed before a test gives up.
const MAX_COMPLAINTS: usize = 40;

/// An operator with its immediate.
#[derive(Clone, Copy, Debug)]
enum Operator {
    Simple(SimpleOp),
    Lane(LaneOp, u8),
}

impl Operator {
    fn all() -> Vec<Self> {
        let lanes = LaneOp::ALL
            .iter()
            .flat_map(|&op| [0, op.lanes() / 2, op.lanes() - 1].map(|lane| Self::Lane(op, lane)));
        SimpleOp::all().map(Self::Simple).chain(lanes).collect()
    }

    fn text(self) -> String {
        match self {
            Self::Simple(op) => op.wat_name(),
            Self::Lane(op, lane) => format!("{} {lane}", op.wat_name()),
        }
    }

    fn params(self) -> &'static [ValType] {
        match self {
            Self::Simple(op) => op.params(),
            Self::Lane(op, _) => op.params(),
        }
    }

    fn result(self) -> ValType {
        match self {
            Self::Simple(op) => op.result(),
            Self::Lane(op, _) => op.result(),
        }
    }

    /// All results that are right.
    fn expected(self, operands: &[u128]) -> Result<Vec<u128>, Trap> {
        match self {
            Self::Simple(SimpleOp::Simd(op)) => Ok(eval::relaxed_results(op, operands)),
            Self::Simple(op) => Ok(vec![eval::apply(op, operands)?]),
            Self::Lane(op, lane) => Ok(vec![eval::apply_lane(op, lane, operands)]),
        }
    }

    /// Bits of a float in whose place every arithmetic NaN is right when the reference has a NaN.
    fn nan_lanes(self) -> Option<u32> {
        const EXACT: [&str; 12] = [
            "neg",
            "abs",
            "copysign",
            "reinterpret",
            "splat",
            "pmin",
            "pmax",
            "replace",
            "extract",
            "eq",
            "ne",
            "bitselect",
        ];
        let name = self.text();
        let (ty, operation) = name.split_once('.').expect("names have a dot");
        let compares = ["lt", "gt", "le", "ge"].iter().any(|name| operation.starts_with(name));
        if compares || EXACT.iter().any(|exact| operation.starts_with(exact)) {
            return None;
        }
        match ty {
            "f32" | "f32x4" => Some(32),
            "f64" | "f64x2" => Some(64),
            _ => None,
        }
    }
}

#[test]
fn operators_agree_with_their_reference_semantics() {
    let operators = Operator::all();
    let next = AtomicUsize::new(0);
    let complaints = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let engines = modes::all().map(|mode| {
                    (mode.name, Engine::new(&mode.config).expect("the machine runs the engine"))
                });
                while let Some(&operator) = operators.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let found = check(operator, &engines);
                    complaints.lock().expect("no panics").extend(found);
                }
            });
        }
    });
    let complaints = complaints.into_inner().expect("no panics");
    let shown: Vec<&str> = complaints.iter().take(MAX_COMPLAINTS).map(String::as_str).collect();
    assert!(shown.is_empty(), "{} differences:\n{}", complaints.len(), shown.join("\n"));
}

fn check(operator: Operator, engines: &[(&str, Engine)]) -> Vec<String> {
    let text = operator.text();
    let matrix = Matrix { operator: &text, params: operator.params(), result: operator.result() };
    let cases = matrix.cases();
    let bytes = wat::parse_str(matrix.text(&cases)).expect("the generated module is valid");
    let mut complaints = Vec::new();
    for (mode, engine) in engines {
        let module = Module::new(engine, &bytes).expect("the generated module is valid");
        let mut store = Store::new(engine, ());
        let instance = Instance::new(&mut store, &module, &[]).expect("it imports nothing");
        for case in &cases {
            let found = check_case(operator, case, &mut store, instance);
            complaints.extend(found.map(|complaint| format!("{mode}: {text}: {complaint}")));
        }
    }
    complaints
}

/// Calls the function of one case with all combinations of values that it can have; gives the
/// first complaint.
fn check_case(
    operator: Operator,
    case: &Case,
    store: &mut Store<()>,
    instance: Instance,
) -> Option<String> {
    let func = instance.get_func(&*store, &case.name).expect("each case is exported");
    for operands in combinations(operator.params(), &case.places) {
        let args: Vec<Val> = operands
            .iter()
            .zip(operator.params())
            .zip(&case.places)
            .map(|((&bits, &ty), &place)| to_val(ty, place, bits))
            .collect();
        let mut results = [Val::I32(0)];
        let actual = func.call(&mut *store, &args, &mut results);
        let actual = match actual {
            Ok(()) => Ok(to_bits(&results[0])),
            Err(error) => match error.downcast_ref::<Trap>() {
                Some(&trap) => Err(trap),
                None => return Some(format!("{error:#}")),
            },
        };
        let expected = operator.expected(&operands).map(|results| {
            results.into_iter().map(|bits| consume(case.consumer, bits)).collect::<Vec<_>>()
        });
        if !agrees(operator, actual, &expected) {
            let operands: Vec<_> = operands.iter().map(|bits| format!("{bits:#x}")).collect();
            return Some(format!(
                "{:?} {:?} ({}): {actual:x?}, expected {expected:x?}",
                case.places,
                case.consumer,
                operands.join(", ")
            ));
        }
    }
    None
}

fn agrees(
    operator: Operator,
    actual: Result<u128, Trap>,
    expected: &Result<Vec<u128>, Trap>,
) -> bool {
    match (actual, expected) {
        (Ok(actual), Ok(expected)) => expected.iter().any(|&expected| {
            actual == expected
                || operator.nan_lanes().is_some_and(|bits| same_but_nans(actual, expected, bits))
        }),
        (Err(actual), Err(expected)) => actual.message() == expected.message(),
        _ => false,
    }
}

/// Whether two values agree in all lanes that are no NaN in `expected`, and `actual` has quiet
/// NaNs in the others.
fn same_but_nans(actual: u128, expected: u128, lane_bits: u32) -> bool {
    let (mask, quiet, infinity) = match lane_bits {
        32 => (u128::from(u32::MAX), 0x7fc0_0000, 0x7f80_0000),
        _ => (u128::from(u64::MAX), 0x7ff8_0000_0000_0000, 0x7ff0_0000_0000_0000_u128),
    };
    let sign_free = mask >> 1;
    (0..128 / lane_bits).all(|lane| {
        let (a, e) = (actual >> (lane * lane_bits) & mask, expected >> (lane * lane_bits) & mask);
        let expects_nan = e & sign_free > infinity;
        a == e || (expects_nan && a & quiet == quiet)
    })
}

/// All operands that the places allow: a constant is one value, everything else takes all.
fn combinations(params: &[ValType], places: &[Place]) -> Vec<Vec<u128>> {
    let mut all = vec![Vec::new()];
    for (&ty, &place) in params.iter().zip(places) {
        let choices = match place {
            Place::Const(i) => &values(ty)[i..=i],
            _ => values(ty),
        };
        all = all
            .iter()
            .flat_map(|start| choices.iter().map(|&bits| [&start[..], &[bits]].concat()))
            .collect();
    }
    all
}

fn consume(consumer: Consumer, bits: u128) -> u128 {
    match consumer {
        Consumer::Eqz => u128::from(bits == 0),
        _ => bits,
    }
}

fn low(bits: u128) -> u32 {
    u32::try_from(bits & 0xffff_ffff).expect("masked")
}

fn to_val(ty: ValType, place: Place, bits: u128) -> Val {
    let half = u64::try_from(bits & u128::from(u64::MAX)).expect("masked");
    match ty {
        ValType::I32 if place == Place::Dirty => {
            Val::I64((half | 0xdead_beef_0000_0000).cast_signed())
        }
        ValType::I32 => Val::I32(low(bits).cast_signed()),
        ValType::I64 => Val::I64(half.cast_signed()),
        ValType::F32 => Val::F32(low(bits)),
        ValType::F64 => Val::F64(half),
        _ => Val::V128(bits.into()),
    }
}

fn to_bits(value: &Val) -> u128 {
    match *value {
        Val::I32(value) => value.cast_unsigned().into(),
        Val::I64(value) => value.cast_unsigned().into(),
        Val::F32(bits) => bits.into(),
        Val::F64(bits) => bits.into(),
        Val::V128(value) => value.as_u128(),
        Val::FuncRef(_) | Val::ExternRef(_) | Val::ExnRef(_) | Val::AnyRef(_) => 0,
    }
}

#[test]
fn the_tables_cover_the_relaxed_operators() {
    assert!(SimdOp::ALL.iter().any(|op| op.name().contains("relaxed")));
    assert!(Operator::all().len() > 300);
}
