//! Kinds of memory accesses, as Cranelift's alias analysis and code motion see them.
//!
//! Accesses in different regions never touch the same bytes. The identifiers mean the same in every
//! function of a module, as inlining asks for. Imported memories and globals may be one another
//! under two indices, so all imported ones of a kind share a region.

use cranelift_codegen::ir::{AliasRegion, AliasRegionData, Endianness, Function, MemFlagsData};
use upshift_abi::layout::Cell;
use upshift_abi::trap::Trap;

/// Disjoint kinds of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Region {
    /// The thread context.
    Thread,
    /// What is fixed in an instance, and what it points to and never changes.
    Fixed,
    /// Bases and lengths of memories.
    MemoryDefs,
    /// Bases and lengths of tables.
    TableDefs,
    /// Elements of tables.
    Elements,
    /// What tells the collector of tables and globals that were written; machine code never reads it.
    RootMarks,
    /// Exceptions.
    Exceptions,
    /// Type words of objects.
    Headers,
    /// The collector's words of objects.
    GcWords,
    /// Lengths of arrays.
    Lengths,
    /// Positions of function records and exceptions in their tables.
    HeapIndices,
    /// The log of written objects.
    Log,
    /// Counters of entries and turns.
    Counters,
    /// Elements of arrays, by how they lie there.
    ArrayElements(Cell),
    /// Fields of structures at an offset: a type's fields are where its supertype has them, so
    /// fields at two offsets are never the same.
    Field(u32),
    /// Imported globals.
    ImportedGlobals,
    /// A defined global, by its position.
    Global(u32),
    /// Imported memories.
    ImportedMemories,
    /// A defined memory, by its position.
    Memory(u32),
}

/// Defined globals, memories and offsets of fields with a region of their own; those behind share the
/// last. Cranelift looks at all regions that were stored to at each access.
const MOST_DISTINCT: u32 = 1000;

impl Region {
    fn user_id(self) -> u32 {
        match self {
            Self::Thread => 1,
            Self::Fixed => 2,
            Self::MemoryDefs => 3,
            Self::TableDefs => 4,
            Self::Elements => 5,
            Self::ImportedGlobals => 6,
            Self::ImportedMemories => 7,
            Self::Exceptions => 8,
            Self::Headers => 9,
            Self::GcWords => 10,
            Self::Lengths => 11,
            Self::HeapIndices => 12,
            Self::Log => 13,
            Self::Counters => 14,
            Self::RootMarks => 15,
            // Cells of one size may be seen as one another by bulk operators only, which are calls.
            Self::ArrayElements(cell) => 3 * MOST_DISTINCT + cell as u32,
            Self::Field(offset) => 3 * MOST_DISTINCT + 64 + offset.min(MOST_DISTINCT),
            Self::Global(i) => 16 + i.min(MOST_DISTINCT),
            Self::Memory(i) => 32 + MOST_DISTINCT + i.min(MOST_DISTINCT),
        }
    }
}

/// The regions of a function.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Regions;

impl Regions {
    /// The regions of `func`.
    pub(crate) fn new(func: &mut Function) -> Self {
        let regions = Self;
        regions.get(func, Region::Thread);
        regions
    }

    fn get(self, func: &mut Function, region: Region) -> AliasRegion {
        let data = AliasRegionData { user_id: region.user_id(), description: "".into() };
        func.dfg.alias_regions.insert(data)
    }

    /// Accesses that cannot fault, to data that may change.
    pub(crate) fn changing(self, func: &mut Function, region: Region) -> MemFlagsData {
        MemFlagsData::trusted().with_alias_region(Some(self.get(func, region)))
    }

    /// Loads of what never changes and is always there.
    pub(crate) fn fixed(self, func: &mut Function) -> MemFlagsData {
        self.changing(func, Region::Fixed).with_readonly().with_can_move()
    }

    /// Loads of what never changes, from where only what comes before makes sure it is there.
    pub(crate) fn fixed_here(self, func: &mut Function) -> MemFlagsData {
        self.changing(func, Region::Fixed).with_readonly()
    }

    /// Accesses that fault with `trap`.
    pub(crate) fn faulting(self, func: &mut Function, region: Region, trap: Trap) -> MemFlagsData {
        MemFlagsData::new()
            .with_endianness(Endianness::Little)
            .with_trap_code(Some(crate::lower::trap_code(trap)))
            .with_alias_region(Some(self.get(func, region)))
    }
}
