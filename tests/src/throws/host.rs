//! The host of generated programs: two instances, and functions that throw, catch and fail.

use super::{IMPORTED_TAGS, Outcome, Program, Ty, small};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use upshift::{
    AsContextMut, Caller, Engine, Error, Exception, ExnRef, Extern, Func, FuncType, Instance,
    Module, Store, Tag, Trap, TypedFunc, Val, ValType,
};

/// What the store holds.
#[derive(Default)]
struct Host {
    tags: Vec<(Tag, i32)>,
    /// The function exports of each instance.
    runs: [Vec<TypedFunc<i32, i32>>; 2],
    fields: Vec<ValType>,
    callbacks: u32,
}

/// An error of the host that is nothing else.
#[derive(Debug)]
struct Failure;

/// What the host panics with.
struct Panic;

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an error of the host")
    }
}

impl std::error::Error for Failure {}

/// A program's two instances in a store.
pub(super) struct Machine {
    store: Store<Host>,
}

impl Machine {
    pub(super) fn new(program: &Program, engine: &Engine, module: &Module) -> Result<Self, String> {
        let mut machine = Self { store: Store::new(engine, Host::default()) };
        machine.fill(program, module).map_err(|error| format!("{error:#}"))?;
        Ok(machine)
    }

    fn fill(&mut self, program: &Program, module: &Module) -> Result<(), Error> {
        let store = &mut self.store;
        let fields: Vec<ValType> = program.tags[0].iter().map(|field| api_type(field.ty)).collect();
        store.data_mut().fields.clone_from(&fields);
        let ty = FuncType::new(fields, []);
        let tags = [Tag::new(&mut *store, &ty), Tag::new(&mut *store, &ty)];
        let op = Func::wrap(&mut *store, host_op);
        let again = Func::wrap(&mut *store, host_again);
        let thrown = tags[0].clone();
        let throw = Func::new(&mut *store, ty, move |mut caller, args, _| {
            let exn = ExnRef::new(&mut caller, &thrown, args)?;
            caller.throw(exn)
        });
        let mut next = host_next(program, store);
        let mut second = tags[usize::from(!program.alias)].clone();
        store.data_mut().tags = tags.iter().cloned().zip(0..).collect();
        for instance in 0..2 {
            let mut imports: Vec<Extern> = vec![op.into(), throw.into(), next.into(), again.into()];
            if !program.references {
                imports.pop();
            }
            imports.extend([tags[0].clone().into(), second.clone().into()]);
            let made = Instance::new(&mut *store, module, &imports)?;
            for tag in IMPORTED_TAGS..program.tags.len() {
                let own = made.get_tag(&*store, &format!("tag{tag}")).expect("it is exported");
                store.data_mut().tags.push((own, program.identity(instance, tag)));
            }
            for function in 0..program.called {
                let run = made.get_typed_func(&mut *store, &format!("run{function}"))?;
                store.data_mut().runs[instance].push(run);
            }
            next = made.get_func(&mut *store, "next").expect("it is exported");
            let own = made.get_tag(&*store, "tag2").expect("it is exported");
            second = if program.cross { own } else { tags[1].clone() };
        }
        Ok(())
    }

    /// Calls an export.
    pub(super) fn run(
        &mut self,
        instance: usize,
        function: usize,
        arg: i32,
    ) -> Result<Outcome, String> {
        let store = &mut self.store;
        store.data_mut().callbacks = 0;
        let run = store.data().runs[instance][function];
        let result = match catch_unwind(AssertUnwindSafe(|| run.call(&mut *store, arg))) {
            Ok(result) => result,
            Err(panic) if panic.is::<Panic>() => return Ok(Outcome::Panic),
            Err(panic) => resume_unwind(panic),
        };
        let error = match result {
            Ok(value) => return Ok(Outcome::Value(value)),
            Err(error) => error,
        };
        if error.is::<Failure>() {
            return Ok(Outcome::Error);
        }
        if let Some(exception) = error.downcast_ref::<Exception>() {
            return Ok(Outcome::Exception(seen(&mut *store, &exception.clone())));
        }
        match error.chain().find_map(|cause| cause.downcast_ref::<Trap>()) {
            Some(trap) => Ok(Outcome::Trap(*trap)),
            None => Err(format!("untyped error: {error:#}")),
        }
    }
}

/// The host's function in place of one of another instance.
fn host_next(program: &Program, store: &mut Store<Host>) -> Func {
    let function = &program.functions[program.next];
    let params = function.params.iter().map(|&ty| api_type(ty));
    let results: Vec<ValType> = function.results.iter().map(|&ty| api_type(ty)).collect();
    let ty = FuncType::new(params.collect::<Vec<_>>(), results.clone());
    Func::new(store, ty, move |_, _, values| {
        for ((value, &ty), i) in values.iter_mut().zip(&results).zip(0..) {
            *value = host_value(ty, 7 + i);
        }
        Ok(())
    })
}

/// Does what the program asks for with a number.
fn host_op(mut caller: Caller<'_, Host>, op: i32, arg: i32) -> Result<i32, Error> {
    match op {
        1 => throw_fields(&mut caller, 0, arg),
        2 => {
            let identity = small(IMPORTED_TAGS) + 16 * (arg & 1);
            let tags = &caller.data().tags;
            let tag = tags.iter().position(|(_, found)| *found == identity);
            throw_fields(&mut caller, tag.expect("each instance has one"), arg)
        }
        3..=6 if caller.data().callbacks > 0 => Ok(-1),
        3..=6 => {
            let runs = &caller.data().runs[usize::try_from(arg & 1)?];
            let run = runs[usize::try_from(arg >> 1 & 7)? % runs.len()];
            caller.data_mut().callbacks += 1;
            let result = run.call(&mut caller, arg & 3);
            caller.data_mut().callbacks -= 1;
            match result {
                Err(error) => passed_on(&mut caller, op, error),
                result => result,
            }
        }
        7 => Err(Error::new(Failure)),
        8 => resume_unwind(Box::new(Panic)),
        9 => Err(Trap::Unreachable.into()),
        10 => caller.as_context_mut().gc().map(|()| arg.wrapping_mul(3).wrapping_add(1)),
        _ => Ok(arg.wrapping_mul(3).wrapping_add(1)),
    }
}

/// What becomes of an error of code that the host called.
fn passed_on(caller: &mut Caller<'_, Host>, op: i32, error: Error) -> Result<i32, Error> {
    let Some(exception) = error.downcast_ref::<Exception>().cloned() else { return Err(error) };
    match op {
        4 => Ok(seen(&mut *caller, &exception)),
        5 => {
            let exn = exception.exn_ref(&mut *caller);
            caller.throw(exn)
        }
        6 => {
            let n = seen(&mut *caller, &exception);
            throw_fields(caller, 0, n)
        }
        _ => Err(error),
    }
}

fn throw_fields(caller: &mut Caller<'_, Host>, tag: usize, n: i32) -> Result<i32, Error> {
    let tag = caller.data().tags[tag].0.clone();
    let types = caller.data().fields.iter().zip(0..);
    let fields: Vec<Val> = types.map(|(&ty, i)| host_value(ty, n.wrapping_add(i))).collect();
    let exn = ExnRef::new(&mut *caller, &tag, &fields)?;
    caller.throw(exn)
}

fn host_again(mut caller: Caller<'_, Host>, exn: Option<ExnRef>) -> Result<(), Error> {
    exn.map_or(Ok(()), |exn| caller.throw(exn))
}

/// The number of an exception: of its tag, and of fields that are numbers.
fn seen(mut store: impl AsContextMut<Data = Host>, exception: &Exception) -> i32 {
    let tag = exception.tag(&store);
    let context = store.as_context_mut();
    let found = context.data().tags.iter().find(|(known, _)| *known == tag);
    let identity = found.map_or(-1, |(_, identity)| *identity);
    let fields = exception.fields(&mut store);
    let numbers = fields.iter().filter_map(number);
    numbers.fold(identity, |sum, n| sum.wrapping_mul(31).wrapping_add(n))
}

/// The number that a value was made from; nothing for references.
fn number(value: &Val) -> Option<i32> {
    match value {
        Val::I32(value) => Some(*value),
        Val::I64(value) => i32::try_from(value >> 32).ok(),
        Val::F32(bits) => whole(f32::from_bits(*bits).into()),
        Val::F64(bits) => whole(f64::from_bits(*bits)),
        Val::V128(value) => {
            Some(u32::try_from(value.as_u128() >> 96).expect("32 bits").cast_signed())
        }
        _ => None,
    }
}

#[expect(clippy::cast_possible_truncation, reason = "they are made from numbers of 32 bits")]
fn whole(value: f64) -> Option<i32> {
    Some(value as i32)
}

fn host_value(ty: ValType, n: i32) -> Val {
    match ty {
        ValType::I32 => Val::I32(n),
        ValType::I64 => Val::I64(i64::from(n.cast_unsigned()).wrapping_mul(0x1_0000_0001)),
        ValType::F32 => Val::F32(((n & 0xff_ffff) as f32).to_bits()),
        ValType::F64 => Val::F64(f64::from(n).to_bits()),
        ValType::V128 => {
            Val::V128((u128::from(n.cast_unsigned()) * 0x1_0000_0001_0000_0001_0000_0001).into())
        }
        ValType::Ref(ty) => Val::null_ref(ty.heap).expect("there is a null"),
    }
}

fn api_type(ty: Ty) -> ValType {
    use upshift::{HeapType, RefType};
    let reference = |heap| ValType::Ref(RefType { nullable: true, heap });
    match ty {
        Ty::I32 => ValType::I32,
        Ty::I64 => ValType::I64,
        Ty::F32 => ValType::F32,
        Ty::F64 => ValType::F64,
        Ty::V128 => ValType::V128,
        Ty::Func => ValType::FUNCREF,
        Ty::Extern => ValType::EXTERNREF,
        Ty::Any => ValType::ANYREF,
        Ty::I31 => reference(HeapType::I31),
        Ty::Struct => unreachable!("the host knows no structures"),
        Ty::Exn => ValType::EXNREF,
    }
}
