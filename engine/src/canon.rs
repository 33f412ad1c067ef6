//! Canonical types: one engine-wide number per type, equal exactly when the types are
//! ([§3.3.1](https://webassembly.github.io/spec/core/valid/conventions.html#rolling-and-unrolling)).
//!
//! Types are equal when their recursion groups are, position by position. A group is looked up in
//! a *closed* form: what it says of its own types is relative to the group, what it says of others
//! are their names, which are canonical already.
//!
//! ```text
//! (rec (type $a (func (param (ref $b) (ref $x)))) (type $b (func)))      $x has name 7
//! closed:  [ func (ref REL+1) (ref 7) | func ]          registered as, say, names 12 and 13
//! ```
//!
//! Machine code compares these numbers ([`CanonTypeId`]), which say where the engine's table has the
//! types' descriptors; imports are matched by them, and what depends on a signature alone (the
//! trampoline that enters functions of the type) hangs off the group. Modules, host functions, tags and
//! variables of the host hold groups, and groups hold those that they name; the numbers of a group are
//! used again only when nobody holds it any more. The registry is locked while a module is made or a host
//! function defined, never while code runs.
//!
//! In types, others stand by their *names* ([`TypeEntry::name`]). Embedders see them in value types, may
//! keep them for any time, and give them to any engine: so a name is given once in the process, and in
//! another engine, or when its type is gone, it names nothing.

#[cfg(test)]
mod model;
mod named;
mod sync;
#[cfg(test)]
mod tests;

use crate::code::common::EntryStub;
use crate::vm::{MAX_TYPES, Trampoline, TypeTable};
use named::{for_each_named, for_each_type, map_types, renumber};
use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{OnceLock, PoisonError};
use sync::{Arc, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak};
use upshift_abi::index::TypeIndex;
use upshift_abi::layout::{CanonTypeId, MAX_SUPERTYPES, ObjectLayout, Supertypes};
use upshift_abi::module::Module;
use upshift_abi::types::{CompositeType, FuncType, HeapType, RefType, SubType, ValType};

/// Most types that a type is below.
pub(crate) const MAX_DEPTH: usize = MAX_SUPERTYPES - 1;

/// Marks an index relative to the group in its closed form; names leave this bit free.
const RELATIVE: u32 = 1 << 31;

/// A recursion group with its numbers.
#[derive(Debug)]
struct Group {
    ids: Box<[CanonTypeId]>,
    names: Box<[TypeIndex]>,
    /// Types whose concrete types are names.
    types: Box<[SubType]>,
    supertypes: Box<[Supertypes]>,
    /// How objects of the types lie in memory.
    layouts: Box<[ObjectLayout]>,
    trampolines: Box<[OnceLock<EntryStub>]>,
    /// Groups that the types name.
    named: Vec<Arc<Group>>,
}

/// A type with its number; keeps its group.
#[derive(Clone)]
pub(crate) struct TypeEntry {
    group: Arc<Group>,
    position: usize,
}

impl fmt::Debug for TypeEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TypeEntry").field(&self.id()).field(&self.composite()).finish()
    }
}

impl TypeEntry {
    /// The number.
    pub(crate) fn id(&self) -> CanonTypeId {
        self.group.ids[self.position]
    }

    /// The name, as others name it.
    pub(crate) fn name(&self) -> TypeIndex {
        self.group.names[self.position]
    }

    /// The type as one of references.
    pub(crate) fn heap_type(&self) -> HeapType {
        HeapType::Concrete(self.name())
    }

    /// What objects of the type look like.
    pub(crate) fn layout(&self) -> &ObjectLayout {
        &self.group.layouts[self.position]
    }

    /// The composite type, whose concrete types are names.
    pub(crate) fn composite(&self) -> &CompositeType {
        &self.group.types[self.position].composite
    }

    /// The type, whose concrete types are names.
    ///
    /// # Panics
    /// When it is no function type.
    pub(crate) fn ty(&self) -> &FuncType {
        match self.composite() {
            CompositeType::Func(ty) => ty,
            CompositeType::Struct(_) | CompositeType::Array(_) | CompositeType::Cont(_) => {
                panic!("type {} is no function type", self.id().0)
            }
        }
    }

    /// Whether no type may be declared to be below it.
    pub(crate) fn is_final(&self) -> bool {
        self.group.types[self.position].is_final
    }

    /// The entry of the type right above it.
    pub(crate) fn supertype_entry(&self) -> Option<Self> {
        let above = self.supertype()?;
        let groups = std::iter::once(&self.group).chain(&self.group.named);
        let position = |group: &Arc<Group>| group.names.iter().position(|&name| name == above);
        let mut found = groups.filter_map(|group| Some((group, position(group)?)));
        let (group, position) = found.next().expect("a type keeps what it names");
        Some(Self { group: Arc::clone(group), position })
    }

    /// How many types it is below.
    pub(crate) fn depth(&self) -> usize {
        let used = self.supertypes().ids.iter().take_while(|&&id| id != CanonTypeId::NONE);
        used.count() - 1
    }

    /// The name of the type right above it.
    pub(crate) fn supertype(&self) -> Option<TypeIndex> {
        self.group.types[self.position].supertype
    }

    /// The numbers of its supertypes by depth, itself included.
    pub(crate) fn supertypes(&self) -> &Supertypes {
        &self.group.supertypes[self.position]
    }

    /// Whether it is `other` or declared to be below it.
    pub(crate) fn is_subtype_of(&self, other: CanonTypeId) -> bool {
        self.id() == other || self.supertypes().ids.contains(&other)
    }

    /// The code through which the host enters functions of the type; valid as long as the entry.
    pub(crate) fn trampoline(&self) -> Trampoline {
        let stub = self.group.trampolines[self.position].get_or_init(|| EntryStub::of(self.ty()));
        stub.trampoline()
    }

    /// Whether both are the same type of the same engine.
    pub(crate) fn same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.group, &other.group) && self.position == other.position
    }

    /// Slots that a call needs: parameters and results use the same.
    pub(crate) fn slot_count(&self) -> usize {
        self.ty().params.len().max(self.ty().results.len())
    }
}

/// All types of an engine.
#[derive(Debug)]
pub(crate) struct TypeRegistry {
    types: RwLock<Types>,
    table: TypeTable,
}

type Closed = Box<[SubType]>;

/// Number and name of a type.
type Label = (CanonTypeId, TypeIndex);

/// The name of the next type, of whatever engine. After 2^30 types, names of types that are gone are
/// given again.
static NEXT_NAME: AtomicU32 = AtomicU32::new(0);

/// Set in names of all types but those of functions, which may be ones of objects: collectors ask for
/// nothing else, but for every global.
const OBJECTS: u32 = 1 << 30;

/// Whether a name is one of a type of objects.
pub(crate) const fn names_objects(name: TypeIndex) -> bool {
    name.0 & OBJECTS != 0
}

#[derive(Debug)]
struct Types {
    /// The group of each closed form, if it is alive, and its numbers.
    groups: HashMap<Closed, (Weak<Group>, Box<[Label]>)>,
    /// By number.
    entries: Vec<(Weak<Group>, usize)>,
    /// The numbers of all names that are given.
    names: HashMap<TypeIndex, CanonTypeId>,
    free: Vec<CanonTypeId>,
    /// Number of groups at which dead ones are swept, and the least that this may be.
    sweep_at: usize,
    min_sweep: usize,
}

impl Default for Types {
    fn default() -> Self {
        Self {
            groups: HashMap::new(),
            entries: Vec::new(),
            names: HashMap::new(),
            free: Vec::new(),
            sweep_at: 0,
            min_sweep: MIN_SWEEP,
        }
    }
}

/// Groups below which sweeping is not worth it.
const MIN_SWEEP: usize = 256;

impl TypeRegistry {
    /// A registry without types.
    pub(crate) fn new() -> std::io::Result<Self> {
        Ok(Self { types: RwLock::default(), table: TypeTable::new()? })
    }

    /// What machine code and collector know of the types.
    pub(crate) fn table(&self) -> &TypeTable {
        &self.table
    }

    /// The entry of a function type that stands alone.
    ///
    /// # Errors
    /// When it names a type that is not in use.
    pub(crate) fn register(&self, ty: &FuncType) -> crate::Result<TypeEntry> {
        self.register_composite(CompositeType::Func(ty.clone()))
    }

    /// The entry of a final type that stands alone.
    ///
    /// # Errors
    /// When it names a type that is not in use.
    pub(crate) fn register_composite(&self, composite: CompositeType) -> crate::Result<TypeEntry> {
        self.register_sub(true, None, composite)
    }

    /// The entry of a type that stands alone and may be declared to be below one of the engine, which the
    /// caller has found to be valid.
    ///
    /// # Errors
    /// When it names a type that is not in use.
    pub(crate) fn register_sub(
        &self,
        is_final: bool,
        supertype: Option<&TypeEntry>,
        composite: CompositeType,
    ) -> crate::Result<TypeEntry> {
        // Held until the group holds what it names.
        let Some(_held) = self.hold(&composite) else {
            anyhow::bail!("the engine has no such type");
        };
        let closed = SubType {
            is_final,
            supertype: supertype.map(TypeEntry::name),
            composite,
            group_start: TypeIndex(0),
            group_len: 1,
        };
        Ok(TypeEntry { group: self.register_group([closed].into()), position: 0 })
    }

    /// The entries of what a type names, if all of it is in use.
    pub(crate) fn hold(&self, composite: &CompositeType) -> Option<Vec<TypeEntry>> {
        let (types, mut named, mut unknown) = (self.read(), Vec::new(), false);
        for_each_named(composite, &mut |index| match types.named(index) {
            Some(entry) => named.push(entry),
            None => unknown = true,
        });
        (!unknown).then_some(named)
    }

    /// The entry of the concrete type that a value type names, if it names one.
    ///
    /// # Errors
    /// When it names one that is not in use.
    pub(crate) fn hold_value(&self, ty: ValType) -> crate::Result<Option<TypeEntry>> {
        let ValType::Ref(RefType { heap: HeapType::Concrete(name), .. }) = ty else {
            return Ok(None);
        };
        match self.find(name) {
            Some(entry) => Ok(Some(entry)),
            None => anyhow::bail!("the engine has no such type"),
        }
    }

    /// Whether an entry is one of this registry's.
    pub(crate) fn owns(&self, entry: &TypeEntry) -> bool {
        self.read().entry(entry.id()).is_some_and(|found| found.same(entry))
    }

    /// The entries of all types of a module, whose declarations have names for concrete types
    /// afterwards.
    pub(crate) fn register_module(&self, module: &mut Module) -> Box<[TypeEntry]> {
        let mut entries: Vec<TypeEntry> = Vec::with_capacity(module.types.len());
        while let Some(first) = module.types.get(entries.len()) {
            let (start, len) = (entries.len(), first.group_len as usize);
            let close = |index: TypeIndex| match index.index().checked_sub(start) {
                None => entries[index.index()].name(),
                Some(relative) => TypeIndex(RELATIVE | TypeIndex::new(relative).0),
            };
            let closed = module.types[start..start + len]
                .iter()
                .map(|ty| SubType { group_start: TypeIndex(0), ..map_types(ty, &close) });
            let group = self.register_group(closed.collect());
            let entry = |position| TypeEntry { group: Arc::clone(&group), position };
            entries.extend((0..len).map(entry));
        }
        let name = |index: TypeIndex| entries[index.index()].name();
        let types = (0..entries.len()).map(TypeIndex::new);
        // Of types that are the same, the first stands for all.
        module.numbered = types.rev().map(|index| (name(index), index)).collect();
        renumber(module, &name);
        entries.into()
    }

    /// The entry of a number that something alive uses.
    ///
    /// # Panics
    /// When nothing uses it.
    pub(crate) fn get(&self, id: CanonTypeId) -> TypeEntry {
        self.read().entry(id).expect("a type in use is registered")
    }

    /// The entry of a name, if it is one of this engine's and something alive uses it.
    pub(crate) fn find(&self, name: TypeIndex) -> Option<TypeEntry> {
        self.read().named(name)
    }

    /// The entry of a name of this engine that something alive uses.
    ///
    /// # Panics
    /// When it is none.
    pub(crate) fn get_named(&self, name: TypeIndex) -> TypeEntry {
        self.find(name).expect("what a type in use names is registered")
    }

    /// Whether a type is one of that name, or declared to be below it.
    pub(crate) fn is_below(&self, entry: &TypeEntry, name: TypeIndex) -> bool {
        entry.name() == name || self.find(name).is_some_and(|of| entry.is_subtype_of(of.id()))
    }

    /// Whether values of type `sub` are values of type `of`, with names for concrete types
    /// ([§3.3](https://webassembly.github.io/spec/core/valid/matching.html)).
    pub(crate) fn is_subtype(&self, sub: ValType, of: ValType) -> bool {
        match (sub, of) {
            (ValType::Ref(sub), ValType::Ref(of)) => self.is_ref_subtype(sub, of),
            _ => sub == of,
        }
    }

    /// The same of reference types.
    pub(crate) fn is_ref_subtype(&self, sub: RefType, of: RefType) -> bool {
        (of.nullable || !sub.nullable) && self.is_heap_subtype(sub.heap, of.heap)
    }

    fn is_heap_subtype(&self, sub: HeapType, of: HeapType) -> bool {
        use HeapType::{
            Any, Array, Concrete, Cont, Eq, Exn, Extern, Func, I31, NoCont, NoExn, NoExtern,
            NoFunc, None, Struct,
        };
        match (sub, of) {
            (sub, of) if sub == of => true,
            (Concrete(sub), Concrete(of)) => self.is_below(&self.get_named(sub), of),
            (Concrete(sub), of) => self.is_heap_subtype(self.top_of(sub), of),
            (NoFunc, Concrete(of)) => self.top_of(of) == Func,
            (NoCont, Concrete(of)) => self.top_of(of) == Cont,
            (None, Concrete(of)) => matches!(self.top_of(of), Struct | Array),
            (NoFunc, Func) | (NoExtern, Extern) | (NoExn, Exn) | (NoCont, Cont) => true,
            (Eq, Any) | (I31 | Struct | Array, Any | Eq) => true,
            (None, Any | Eq | I31 | Struct | Array) => true,
            _ => false,
        }
    }

    /// The abstract type right above a concrete one.
    fn top_of(&self, index: TypeIndex) -> HeapType {
        match self.get_named(index).composite() {
            CompositeType::Func(_) => HeapType::Func,
            CompositeType::Struct(_) => HeapType::Struct,
            CompositeType::Array(_) => HeapType::Array,
            CompositeType::Cont(_) => HeapType::Cont,
        }
    }

    fn register_group(&self, closed: Closed) -> Arc<Group> {
        if let Some(group) = self.read().lookup(&closed) {
            return group;
        }
        let mut types = self.write();
        match types.lookup(&closed) {
            Some(group) => group,
            None => types.insert(closed, &self.table),
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, Types> {
        self.types.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Types> {
        self.types.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Types {
    fn lookup(&self, closed: &[SubType]) -> Option<Arc<Group>> {
        self.groups.get(closed)?.0.upgrade()
    }

    fn entry(&self, id: CanonTypeId) -> Option<TypeEntry> {
        let (group, position) = self.entries.get(id.position())?;
        Some(TypeEntry { group: group.upgrade()?, position: *position })
    }

    /// The entry of a name, if something alive uses it.
    fn named(&self, name: TypeIndex) -> Option<TypeEntry> {
        self.entry(*self.names.get(&name)?)
    }

    fn insert(&mut self, closed: Closed, table: &TypeTable) -> Arc<Group> {
        if self.groups.len() >= self.sweep_at.max(self.min_sweep) {
            self.sweep();
        }
        // A dead group of the same types keeps its numbers.
        let known = self.groups.get(&closed).map(|(_, labels)| labels.clone());
        let labels = known
            .unwrap_or_else(|| closed.iter().map(|ty| self.new_label(&ty.composite)).collect());
        let (ids, names): (Vec<_>, Vec<_>) = labels.iter().copied().unzip();
        let (ids, names): (Box<[_]>, Box<[_]>) = (ids.into(), names.into());
        let mut named: Vec<Arc<Group>> = Vec::new();
        let types: Box<[SubType]> = closed
            .iter()
            .map(|ty| {
                map_types(ty, &|index| match relative(index) {
                    None => index,
                    Some(position) => names[position],
                })
            })
            .collect();
        for ty in &closed {
            for_each_type(ty, &mut |index| {
                if relative(index).is_none() {
                    named.push(self.get_named(index).group);
                }
            });
        }
        let mut supertypes: Vec<Supertypes> = Vec::with_capacity(types.len());
        for (ty, &id) in closed.iter().zip(&ids) {
            let above = ty.supertype.map(|above| match relative(above) {
                Some(position) => supertypes[position].clone(),
                None => self.get_named(above).supertypes().clone(),
            });
            supertypes.push(below(above, id));
        }
        let layouts = closed.iter().map(|ty| ObjectLayout::of(ty, |of| self.is_func(&closed, of)));
        let (layouts, supertypes) = (layouts.collect(), supertypes.into());
        let trampolines = types.iter().map(|_| OnceLock::new()).collect();
        let group = Arc::new(Group { ids, names, types, supertypes, layouts, trampolines, named });
        for (position, id) in group.ids.iter().enumerate() {
            let layout = &group.layouts[position];
            table.write(*id, layout.descriptor(&group.supertypes[position]));
            self.entries[id.position()] = (Arc::downgrade(&group), position);
        }
        self.groups.insert(closed, (Arc::downgrade(&group), labels));
        group
    }

    /// Whether a concrete type of a closed form is a function type.
    fn is_func(&self, closed: &[SubType], index: TypeIndex) -> bool {
        let composite = |ty: &CompositeType| matches!(ty, CompositeType::Func(_));
        match relative(index) {
            Some(position) => composite(&closed[position].composite),
            None => composite(self.get_named(index).composite()),
        }
    }

    /// The entry of a type that a closed form names.
    fn get_named(&self, name: TypeIndex) -> TypeEntry {
        self.named(name).expect("what a type names is in use")
    }

    /// A number and a name that no type has.
    fn new_label(&mut self, composite: &CompositeType) -> Label {
        let id = self.new_id();
        let kind = match composite {
            // As `Module::table_has_cards` has it.
            CompositeType::Struct(_) | CompositeType::Array(_) | CompositeType::Cont(_) => OBJECTS,
            CompositeType::Func(_) => 0,
        };
        let name = loop {
            let name = NEXT_NAME.fetch_add(1, Ordering::Relaxed) % OBJECTS;
            let name = TypeIndex(name | kind);
            if !self.names.contains_key(&name) {
                break name;
            }
        };
        self.names.insert(name, id);
        (id, name)
    }

    fn new_id(&mut self) -> CanonTypeId {
        self.free.pop().unwrap_or_else(|| {
            let id = u32::try_from(self.entries.len()).ok().filter(|&id| (id as usize) < MAX_TYPES);
            self.entries.push((Weak::new(), 0));
            CanonTypeId::at(id.expect("fewer than 2^24 types are alive"))
        })
    }

    /// Forgets the groups that nobody holds. Each is asked once: one may die at any time, and what
    /// is still looked up must keep its numbers.
    fn sweep(&mut self) {
        let (entries, free, names) = (&mut self.entries, &mut self.free, &mut self.names);
        self.groups.retain(|_, (group, labels)| {
            if group.strong_count() > 0 {
                return true;
            }
            for (id, name) in labels.iter() {
                entries[id.position()] = (Weak::new(), 0);
                names.remove(name);
                free.push(*id);
            }
            false
        });
        self.sweep_at = 2 * self.groups.len();
    }
}

/// The position in its own group that an index of a closed form stands for.
fn relative(index: TypeIndex) -> Option<usize> {
    (index.0 & RELATIVE != 0).then_some((index.0 & !RELATIVE) as usize)
}

/// The supertypes of a type with number `id` below one with these.
fn below(above: Option<Supertypes>, id: CanonTypeId) -> Supertypes {
    let mut supertypes = above.unwrap_or_default();
    let depth = supertypes.ids.iter().position(|&id| id == CanonTypeId::NONE);
    let depth = depth.filter(|&depth| depth < MAX_SUPERTYPES);
    supertypes.ids[depth.expect("validation limits the depth of subtypes")] = id;
    supertypes
}
