//! Random graphs of structures and arrays with cycles, changed at random, are what a model says,
//! whatever is collected in between.

use std::collections::HashMap;
use upshift::{
    AnyRef, ArrayRef, ArrayType, Config, Engine, FieldType, OwnedRef, Result, RootScope,
    StorageType, Store, StructRef, StructType, Val, ValType, Zeal,
};

/// Objects that are kept at a time.
const KEPT: usize = 24;
/// References that a new object gets at most.
const MOST_FILLED: usize = 8;

/// An object as the model sees it: a number and what each slot refers to.
#[derive(Clone, Debug, Default)]
struct Shadow {
    number: i32,
    slots: Vec<Option<usize>>,
}

struct Graph {
    store: Store<()>,
    node: StructType,
    list: ArrayType,
    /// xorshift64
    state: u64,
    model: Vec<Shadow>,
    kept: Vec<Option<(usize, OwnedRef)>>,
}

type Scope<'a> = RootScope<&'a mut Store<()>>;

impl Graph {
    fn new(engine: &Engine, seed: u64) -> Result<Self> {
        let field = |ty| FieldType { storage: StorageType::Val(ty), mutable: true };
        let any = field(ValType::ANYREF);
        Ok(Self {
            store: Store::new(engine, ()),
            node: StructType::new(engine, [field(ValType::I32), any, any, any])?,
            list: ArrayType::new(engine, any)?,
            state: seed,
            model: Vec::new(),
            kept: vec![None; KEPT],
        })
    }

    fn below(&mut self, n: usize) -> usize {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        usize::try_from(self.state >> 16).map_or(0, |word| word % n)
    }

    /// One of the objects that are kept, or null.
    fn pick(&mut self) -> Option<(usize, OwnedRef)> {
        let place = self.below(KEPT);
        self.kept[place].clone()
    }

    /// Changes a reference of an object that is kept.
    fn change(&mut self) -> Result<()> {
        let Some((id, object)) = self.pick() else { return Ok(()) };
        let value = self.pick();
        let slot = self.below(self.model[id].slots.len());
        self.model[id].slots[slot] = value.as_ref().map(|value| value.0);
        let mut scope = RootScope::new(&mut self.store);
        let reference = Val::AnyRef(value.map(|value| value.1.to_any_ref(&scope)));
        let object = object.to_any_ref(&scope);
        match (object.as_struct(&scope), object.as_array(&scope)) {
            (Some(object), _) => object.set_field(&mut scope, slot + 1, reference),
            (_, Some(array)) => array.set(&mut scope, u32::try_from(slot)?, reference),
            _ => panic!("an object"),
        }
    }

    /// Makes an object that refers to others, and keeps it.
    fn make(&mut self, number: i32) -> Result<()> {
        let place = self.below(KEPT);
        let is_struct = self.below(4) > 0;
        let count = match (is_struct, self.below(50)) {
            (true, _) => 3,
            (_, 0) => 6000,
            (_, n) => n,
        };
        let values: Vec<_> = (0..count.min(MOST_FILLED)).map(|_| self.pick()).collect();
        let mut shadow = Shadow { number, slots: vec![None; count] };
        for (slot, value) in shadow.slots.iter_mut().zip(&values) {
            *slot = value.as_ref().map(|value| value.0);
        }
        let mut scope = RootScope::new(&mut self.store);
        let reference = |value: &Option<(usize, OwnedRef)>, scope: &Scope<'_>| -> Option<AnyRef> {
            value.as_ref().map(|value| value.1.to_any_ref(scope))
        };
        let object = if is_struct {
            let mut fields = vec![Val::I32(number)];
            fields.extend(values.iter().map(|value| Val::AnyRef(reference(value, &scope))));
            StructRef::new(&mut scope, &self.node, &fields)?.to_any_ref()
        } else {
            let length = u32::try_from(count)?;
            let array = ArrayRef::new(&mut scope, &self.list, Val::AnyRef(None), length)?;
            for (i, value) in (0..).zip(&values) {
                let value = Val::AnyRef(reference(value, &scope));
                array.set(&mut scope, i, value)?;
            }
            array.to_any_ref()
        };
        let owned = object.to_owned_ref(&scope);
        drop(scope);
        if count > 0 {
            self.kept[place] = Some((self.model.len(), owned));
            self.model.push(shadow);
        }
        Ok(())
    }

    /// Compares everything that can be reached with the model.
    fn check(mut self) -> Result<()> {
        let mut scope = RootScope::new(&mut self.store);
        let mut seen: HashMap<usize, AnyRef> = HashMap::new();
        let kept = self.kept.iter().flatten();
        let mut left: Vec<_> = kept.map(|(id, owned)| (*id, owned.to_any_ref(&scope))).collect();
        while let Some((id, object)) = left.pop() {
            if let Some(known) = seen.get(&id) {
                assert!(AnyRef::ref_eq(&scope, known, &object), "an object of the model is one");
                continue;
            }
            seen.insert(id, object);
            let shadow = &self.model[id];
            let values = match (object.as_struct(&scope), object.as_array(&scope)) {
                (Some(object), _) => {
                    let number = object.field(&mut scope, 0)?.unwrap_i32();
                    assert_eq!(number, shadow.number);
                    object.fields(&mut scope).split_off(1)
                }
                (_, Some(array)) => array.elements(&mut scope)?,
                _ => panic!("an object"),
            };
            assert_eq!(values.len(), shadow.slots.len());
            for (value, slot) in values.iter().zip(&shadow.slots) {
                match (value.unwrap_any_ref(), slot) {
                    (None, None) => {}
                    (Some(value), Some(slot)) => left.push((*slot, value)),
                    other => panic!("the model has another reference: {other:?}"),
                }
            }
        }
        Ok(())
    }
}

fn run(config: &Config, seed: u64, steps: i32) -> Result<()> {
    let mut graph = Graph::new(&Engine::new(config)?, seed)?;
    for step in 0..steps {
        match graph.below(3) {
            0 => graph.change()?,
            _ => graph.make(step)?,
        }
        if step % 997 == 0 {
            graph.store.gc()?;
        }
    }
    graph.check()
}

#[test]
fn random_graphs_are_what_a_model_says() {
    for seed in 1..6u64 {
        let mut config = Config::new();
        config.gc_nursery(256 << 10);
        run(&config, seed * 0x9e37_79b9, 20_000).unwrap();
    }
}

#[test]
fn random_graphs_survive_a_collection_at_every_allocation() {
    for seed in 1..6u64 {
        let mut config = Config::new();
        let mut zeal = Zeal::none();
        zeal.gc = true;
        config.zeal(zeal);
        run(&config, seed * 0x2545_f491, 1500).unwrap();
    }
}
