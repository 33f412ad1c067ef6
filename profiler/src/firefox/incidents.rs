//! Collections, exceptions and traps, as markers.

use super::{Document, at_ms, field, name_and_category};
use crate::incidents::{Incident, What};
use crate::printable;
use crate::profile::Category;
use fxprof_processed_profile::{
    CategoryHandle, GraphColor, MarkerFieldFormat, MarkerGraphType, MarkerTiming, Profile,
    StaticSchemaMarker, StaticSchemaMarkerField, StaticSchemaMarkerGraph, StringHandle,
    ThreadHandle,
};

/// The program waited for a collection.
struct CollectionMarker {
    name: StringHandle,
    function: StringHandle,
    category: CategoryHandle,
    heap_bytes: f64,
}

impl StaticSchemaMarker for CollectionMarker {
    const UNIQUE_MARKER_TYPE_NAME: &'static str = "collection";
    const TABLE_LABEL: Option<&'static str> = Some("{marker.name}: {marker.data.function}");
    const FIELDS: &'static [StaticSchemaMarkerField] = &[
        field("function", "Function that allocated", MarkerFieldFormat::String),
        field("heap", "Objects afterwards", MarkerFieldFormat::Bytes),
    ];

    name_and_category!();

    fn string_field_value(&self, _: u32) -> StringHandle {
        self.function
    }

    fn number_field_value(&self, _: u32) -> f64 {
        self.heap_bytes
    }
}

/// Exceptions or traps, in some time before.
struct CountMarker {
    name: StringHandle,
    function: StringHandle,
    what: StringHandle,
    category: CategoryHandle,
    count: f64,
}

impl StaticSchemaMarker for CountMarker {
    const UNIQUE_MARKER_TYPE_NAME: &'static str = "exceptions and traps";
    const TABLE_LABEL: Option<&'static str> = Some("{marker.data.what}: {marker.data.function}");
    const FIELDS: &'static [StaticSchemaMarkerField] = &[
        field("function", "Function of the last one", MarkerFieldFormat::String),
        field("what", "What", MarkerFieldFormat::String),
        field("count", "How many", MarkerFieldFormat::Integer),
    ];
    const GRAPHS: &'static [StaticSchemaMarkerGraph] = &[StaticSchemaMarkerGraph {
        key: "count",
        graph_type: MarkerGraphType::Bar,
        color: Some(GraphColor::Red),
    }];

    name_and_category!();

    fn string_field_value(&self, field: u32) -> StringHandle {
        if field == 0 { self.function } else { self.what }
    }

    fn number_field_value(&self, _: u32) -> f64 {
        self.count
    }
}

impl Document {
    /// Adds markers, and a track of how much objects take.
    pub(super) fn incidents(&mut self, incidents: &[Incident], program: Option<ThreadHandle>) {
        let Some(thread) = program else { return };
        for incident in incidents {
            match &incident.what {
                What::Collection { of, heap_bytes, .. } => {
                    let marker = CollectionMarker {
                        name: self.profile.intern_string(&format!("{of} collection")),
                        function: self.profile.intern_string(&incident.printable_name()),
                        category: self.categories[&Category::Host],
                        heap_bytes: *heap_bytes as f64,
                    };
                    let (start, end) = (at_ms(incident.at_ms), at_ms(incident.end_ms()));
                    self.profile.add_marker(thread, MarkerTiming::Interval(start, end), marker);
                }
                What::Exceptions { thrown: count, .. } | What::Traps { count, .. } => {
                    let is_trap = matches!(incident.what, What::Traps { .. });
                    let name = if is_trap { "traps" } else { "exceptions" };
                    let marker = CountMarker {
                        name: self.profile.intern_string(name),
                        function: self.profile.intern_string(&incident.printable_name()),
                        what: self.profile.intern_string(&printable(&incident.what.title())),
                        category: self.categories[&Category::Host],
                        count: *count as f64,
                    };
                    let at = MarkerTiming::Instant(at_ms(incident.at_ms));
                    self.profile.add_marker(thread, at, marker);
                }
            }
        }
        self.heap(incidents);
    }

    fn heap(&mut self, incidents: &[Incident]) {
        let sizes = incidents.iter().filter_map(|incident| match incident.what {
            What::Collection { ref of, heap_bytes, .. } if of != "exceptions" => {
                Some((incident.end_ms(), heap_bytes as f64))
            }
            _ => None,
        });
        let sizes: Vec<(f64, f64)> = sizes.collect();
        if sizes.is_empty() {
            return;
        }
        let description = "Bytes that objects take after a collection";
        let counter = self.profile.add_counter(self.process, "objects", "Memory", description);
        let mut before = 0.0;
        for (at, bytes) in sizes {
            self.profile.add_counter_sample(counter, at_ms(at), bytes - before, 1);
            before = bytes;
        }
    }
}
