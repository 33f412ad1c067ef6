//! Canonical types: one engine-wide number per type, equal exactly when the types are
//! ([§3.3.1](https://webassembly.github.io/spec/core/valid/conventions.html#rolling-and-unrolling)).
//!
//! Types are equal when their recursion groups are, position by position. A group is looked up in
//! a *closed* form: what it says of its own types is relative to the group, what it says of others
//! are their numbers, which are canonical already.
//!
//! ```text
//! (rec (type $a (func (param (ref $b) (ref $x)))) (type $b (func)))      $x has number 7
//! closed:  [ func (ref REL+1) (ref 7) | func ]        registered as, say, numbers 12 and 13
//! ```
//!
//! `call_indirect` compares these numbers ([`CanonTypeId`]), imports are matched by them, and what
//! depends on a signature alone (the trampoline that enters functions of the type) hangs off the
//! group. Modules, host functions and tags hold groups, and groups hold those that they name; the
//! numbers of a group are used again only when nobody holds it any more. The registry is locked
//! while a module is made or a host function defined, never while code runs or instances are made.

#[cfg(test)]
mod model;
mod sync;
#[cfg(test)]
mod tests;

use crate::code::common::EntryStub;
use crate::vm::{MAX_TYPES, Trampoline, TypeTable};
use std::collections::HashMap;
use std::fmt;
use std::sync::{OnceLock, PoisonError};
use sync::{Arc, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak};
use upshift_abi::index::TypeIndex;
use upshift_abi::layout::{
    CanonTypeId, DESCRIPTOR_SHIFT, MAX_SUPERTYPES, ObjectLayout, Supertypes,
};
use upshift_abi::module::Module;
use upshift_abi::types::{CompositeType, FuncType, HeapType, RefType, SubType, ValType};

/// Most types that a type is below.
pub(crate) const MAX_DEPTH: usize = MAX_SUPERTYPES - 1;

/// Marks an index relative to the group in its closed form; numbers of types leave this bit free.
const RELATIVE: u32 = 1 << 31;

/// A recursion group with its numbers.
#[derive(Debug)]
struct Group {
    ids: Box<[CanonTypeId]>,
    /// Types whose concrete types are numbers.
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

    /// What objects of the type look like.
    pub(crate) fn layout(&self) -> &ObjectLayout {
        &self.group.layouts[self.position]
    }

    /// The composite type, whose concrete types are numbers.
    pub(crate) fn composite(&self) -> &CompositeType {
        &self.group.types[self.position].composite
    }

    /// The type, whose concrete types are numbers.
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
        let position = |group: &Arc<Group>| group.ids.iter().position(|&id| id == above);
        let mut found = groups.filter_map(|group| Some((group, position(group)?)));
        let (group, position) = found.next().expect("a type keeps what it names");
        Some(Self { group: Arc::clone(group), position })
    }

    /// How many types it is below.
    pub(crate) fn depth(&self) -> usize {
        let used = self.supertypes().ids.iter().take_while(|&&id| id != CanonTypeId::NONE);
        used.count() - 1
    }

    /// The number of the type right above it.
    pub(crate) fn supertype(&self) -> Option<CanonTypeId> {
        self.group.types[self.position].supertype.map(|index| CanonTypeId(index.0))
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

#[derive(Debug)]
struct Types {
    /// The group of each closed form, if it is alive, and its numbers.
    groups: HashMap<Closed, (Weak<Group>, Box<[CanonTypeId]>)>,
    /// By number.
    entries: Vec<(Weak<Group>, usize)>,
    free: Vec<CanonTypeId>,
    /// Number of groups at which dead ones are swept, and the least that this may be.
    sweep_at: usize,
    min_sweep: usize,
}

impl Default for Types {
    fn default() -> Self {
        let (groups, entries, free) = (HashMap::new(), Vec::new(), Vec::new());
        Self { groups, entries, free, sweep_at: 0, min_sweep: MIN_SWEEP }
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
    /// When it names a number that is not in use.
    pub(crate) fn register(&self, ty: &FuncType) -> crate::Result<TypeEntry> {
        self.register_composite(CompositeType::Func(ty.clone()))
    }

    /// The entry of a final type that stands alone.
    ///
    /// # Errors
    /// When it names a number that is not in use.
    pub(crate) fn register_composite(&self, composite: CompositeType) -> crate::Result<TypeEntry> {
        self.register_sub(true, None, composite)
    }

    /// The entry of a type that stands alone and may be declared to be below one of the engine, which the
    /// caller has found to be valid.
    ///
    /// # Errors
    /// When it names a number that is not in use.
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
            supertype: supertype.map(|entry| TypeIndex(entry.id().0)),
            composite,
            group_start: TypeIndex(0),
            group_len: 1,
        };
        Ok(TypeEntry { group: self.register_group([closed].into()), position: 0 })
    }

    /// The entries of what a type names, if all of it is in use.
    pub(crate) fn hold(&self, composite: &CompositeType) -> Option<Vec<TypeEntry>> {
        let (types, mut named, mut unknown) = (self.read(), Vec::new(), false);
        for_each_named(composite, &mut |index| match types.entry(CanonTypeId(index.0)) {
            Some(entry) => named.push(entry),
            None => unknown = true,
        });
        (!unknown).then_some(named)
    }

    /// Checks that a value type names no concrete type that is not in use.
    ///
    /// # Errors
    /// When it does.
    pub(crate) fn check(&self, ty: ValType) -> crate::Result<()> {
        if let ValType::Ref(RefType { heap: HeapType::Concrete(index), .. }) = ty
            && self.read().entry(CanonTypeId(index.0)).is_none()
        {
            anyhow::bail!("the engine has no such type");
        }
        Ok(())
    }

    /// Whether an entry is one of this registry's.
    pub(crate) fn owns(&self, entry: &TypeEntry) -> bool {
        self.read().entry(entry.id()).is_some_and(|found| found.same(entry))
    }

    /// The entries of all types of a module, whose declarations have numbers for concrete types
    /// afterwards.
    pub(crate) fn register_module(&self, module: &mut Module) -> Box<[TypeEntry]> {
        let mut entries: Vec<TypeEntry> = Vec::with_capacity(module.types.len());
        while let Some(first) = module.types.get(entries.len()) {
            let (start, len) = (entries.len(), first.group_len as usize);
            let close = |index: TypeIndex| match index.index().checked_sub(start) {
                None => TypeIndex(entries[index.index()].id().0),
                Some(relative) => TypeIndex(RELATIVE | TypeIndex::new(relative).0),
            };
            let closed = module.types[start..start + len]
                .iter()
                .map(|ty| SubType { group_start: TypeIndex(0), ..map_types(ty, &close) });
            let group = self.register_group(closed.collect());
            let entry = |position| TypeEntry { group: Arc::clone(&group), position };
            entries.extend((0..len).map(entry));
        }
        let number = |index: TypeIndex| TypeIndex(entries[index.index()].id().0);
        let types = (0..entries.len()).map(TypeIndex::new);
        // Of types that are the same, the first stands for all.
        module.numbered = types.rev().map(|index| (number(index), index)).collect();
        renumber(module, &number);
        entries.into()
    }

    /// The entry of a number that something alive uses.
    ///
    /// # Panics
    /// When nothing uses it.
    pub(crate) fn get(&self, id: CanonTypeId) -> TypeEntry {
        self.read().entry(id).expect("a type in use is registered")
    }

    /// The entry of a number, if something alive uses it.
    pub(crate) fn find(&self, id: CanonTypeId) -> Option<TypeEntry> {
        self.read().entry(id)
    }

    /// Whether values of type `sub` are values of type `of`, with numbers for concrete types
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
            (Concrete(sub), Concrete(of)) => {
                self.get(CanonTypeId(sub.0)).is_subtype_of(CanonTypeId(of.0))
            }
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
        match self.get(CanonTypeId(index.0)).composite() {
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
        // Numbers are public, so there may be others than those of descriptors.
        if !id.0.is_multiple_of(1 << DESCRIPTOR_SHIFT) {
            return None;
        }
        let (group, position) = self.entries.get(id.position())?;
        Some(TypeEntry { group: group.upgrade()?, position: *position })
    }

    fn insert(&mut self, closed: Closed, table: &TypeTable) -> Arc<Group> {
        if self.groups.len() >= self.sweep_at.max(self.min_sweep) {
            self.sweep();
        }
        // A dead group of the same types keeps its numbers.
        let known = self.groups.get(&closed).map(|(_, ids)| ids.clone());
        let ids = known.unwrap_or_else(|| closed.iter().map(|_| self.new_id()).collect());
        let mut named: Vec<Arc<Group>> = Vec::new();
        let types: Box<[SubType]> = closed
            .iter()
            .map(|ty| {
                map_types(ty, &|index| match relative(index) {
                    None => index,
                    Some(position) => TypeIndex(ids[position].0),
                })
            })
            .collect();
        for ty in &closed {
            for_each_type(ty, &mut |index| {
                if relative(index).is_none() {
                    named.push(self.named(index).group);
                }
            });
        }
        let mut supertypes: Vec<Supertypes> = Vec::with_capacity(types.len());
        for (ty, &id) in closed.iter().zip(&ids) {
            let above = ty.supertype.map(|above| match relative(above) {
                Some(position) => supertypes[position].clone(),
                None => self.named(above).supertypes().clone(),
            });
            supertypes.push(below(above, id));
        }
        let layouts = closed.iter().map(|ty| ObjectLayout::of(ty, |of| self.is_func(&closed, of)));
        let (layouts, supertypes) = (layouts.collect(), supertypes.into());
        let trampolines = types.iter().map(|_| OnceLock::new()).collect();
        let group = Arc::new(Group { ids, types, supertypes, layouts, trampolines, named });
        for (position, id) in group.ids.iter().enumerate() {
            let layout = &group.layouts[position];
            table.write(*id, layout.descriptor(&group.supertypes[position]));
            self.entries[id.position()] = (Arc::downgrade(&group), position);
        }
        self.groups.insert(closed, (Arc::downgrade(&group), group.ids.clone()));
        group
    }

    /// Whether a concrete type of a closed form is a function type.
    fn is_func(&self, closed: &[SubType], index: TypeIndex) -> bool {
        let composite = |ty: &CompositeType| matches!(ty, CompositeType::Func(_));
        match relative(index) {
            Some(position) => composite(&closed[position].composite),
            None => composite(self.named(index).composite()),
        }
    }

    /// The entry of a type that a closed form names.
    fn named(&self, index: TypeIndex) -> TypeEntry {
        self.entry(CanonTypeId(index.0)).expect("what a type names is in use")
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
        let (entries, free) = (&mut self.entries, &mut self.free);
        self.groups.retain(|_, (group, ids)| {
            if group.strong_count() > 0 {
                return true;
            }
            for id in ids.iter() {
                entries[id.position()] = (Weak::new(), 0);
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

/// A type with all indices that it has mapped.
fn map_types(ty: &SubType, map: &impl Fn(TypeIndex) -> TypeIndex) -> SubType {
    let composite = map_composite(&ty.composite, map);
    SubType {
        is_final: ty.is_final,
        supertype: ty.supertype.map(map),
        composite,
        group_start: ty.group_start,
        group_len: ty.group_len,
    }
}

fn map_composite(
    composite: &CompositeType,
    map: &impl Fn(TypeIndex) -> TypeIndex,
) -> CompositeType {
    let val = |ty: &ValType| map_val_type(*ty, map);
    let field = |field: &upshift_abi::types::FieldType| {
        use upshift_abi::types::{FieldType, StorageType};
        let storage = match field.storage {
            StorageType::Val(ty) => StorageType::Val(map_val_type(ty, map)),
            packed => packed,
        };
        FieldType { storage, ..*field }
    };
    match composite {
        CompositeType::Func(ty) => CompositeType::Func(FuncType {
            params: ty.params.iter().map(val).collect(),
            results: ty.results.iter().map(val).collect(),
        }),
        CompositeType::Struct(fields) => CompositeType::Struct(fields.iter().map(field).collect()),
        CompositeType::Array(element) => CompositeType::Array(field(element)),
        CompositeType::Cont(index) => CompositeType::Cont(map(*index)),
    }
}

/// Calls `f` with all indices that a composite type has.
fn for_each_named(composite: &CompositeType, f: &mut impl FnMut(TypeIndex)) {
    let seen = std::cell::RefCell::new(f);
    map_composite(composite, &|index| {
        (seen.borrow_mut())(index);
        index
    });
}

/// Calls `f` with all indices that a type has.
fn for_each_type(ty: &SubType, f: &mut impl FnMut(TypeIndex)) {
    if let Some(above) = ty.supertype {
        f(above);
    }
    for_each_named(&ty.composite, f);
}

fn map_ref_type(ty: RefType, map: &impl Fn(TypeIndex) -> TypeIndex) -> RefType {
    match ty.heap {
        HeapType::Concrete(index) => RefType { heap: HeapType::Concrete(map(index)), ..ty },
        _ => ty,
    }
}

fn map_val_type(ty: ValType, map: &impl Fn(TypeIndex) -> TypeIndex) -> ValType {
    match ty {
        ValType::Ref(ty) => ValType::Ref(map_ref_type(ty, map)),
        _ => ty,
    }
}

/// Maps the concrete types of all declarations; what types a module's own types are below stays.
fn renumber(module: &mut Module, map: &impl Fn(TypeIndex) -> TypeIndex) {
    for ty in &mut module.types {
        let supertype = ty.supertype;
        *ty = SubType { supertype, ..map_types(ty, map) };
    }
    for table in &mut module.tables {
        table.ty.element = map_ref_type(table.ty.element, map);
    }
    for global in &mut module.globals {
        global.ty.content = map_val_type(global.ty.content, map);
    }
    for segment in &mut module.elems {
        segment.ty = map_ref_type(segment.ty, map);
    }
}
