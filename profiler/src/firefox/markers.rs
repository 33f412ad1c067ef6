//! What happened to functions, as markers.

use super::{Document, at_ms, field, name_and_category};
use crate::printable;
use crate::profile::{Category, Profile as Sampled};
use crate::tiers::{Compilation, FunctionTiers, Step, TierReport};
use fxprof_processed_profile::{
    CategoryHandle, GraphColor, MarkerFieldFormat, MarkerGraphType, MarkerTiming, Profile,
    StaticSchemaMarker, StaticSchemaMarkerField, StaticSchemaMarkerGraph, StringHandle,
    ThreadHandle,
};
use std::collections::BTreeMap;

/// A step in the life of a function.
struct StepMarker {
    name: StringHandle,
    function: StringHandle,
    category: CategoryHandle,
    loop_offset: f64,
}

impl StaticSchemaMarker for StepMarker {
    const UNIQUE_MARKER_TYPE_NAME: &'static str = "tier step";
    const CHART_LABEL: Option<&'static str> = Some("{marker.data.function}");
    const TABLE_LABEL: Option<&'static str> = Some("{marker.name}: {marker.data.function}");
    const FIELDS: &'static [StaticSchemaMarkerField] = &[
        field("function", "Function", MarkerFieldFormat::String),
        field("loop", "Offset of the loop, 0 for all of it", MarkerFieldFormat::Integer),
    ];

    name_and_category!();

    fn string_field_value(&self, _: u32) -> StringHandle {
        self.function
    }

    fn number_field_value(&self, _: u32) -> f64 {
        self.loop_offset
    }
}

/// An optimising compilation.
struct CompileMarker {
    function: StringHandle,
    category: CategoryHandle,
    name: StringHandle,
    loop_offset: f64,
    cpu_ms: f64,
    code_bytes: f64,
}

impl StaticSchemaMarker for CompileMarker {
    const UNIQUE_MARKER_TYPE_NAME: &'static str = "compilation";
    const CHART_LABEL: Option<&'static str> = Some("{marker.data.function}");
    const TABLE_LABEL: Option<&'static str> = Some("{marker.data.function}");
    const FIELDS: &'static [StaticSchemaMarkerField] = &[
        field("function", "Function", MarkerFieldFormat::String),
        field("loop", "Offset of the loop, 0 for all of it", MarkerFieldFormat::Integer),
        field("cpu", "CPU time", MarkerFieldFormat::Duration),
        field("code", "Machine code", MarkerFieldFormat::Bytes),
    ];

    name_and_category!();

    fn string_field_value(&self, _: u32) -> StringHandle {
        self.function
    }

    fn number_field_value(&self, field: u32) -> f64 {
        match field {
            1 => self.loop_offset,
            2 => self.cpu_ms,
            _ => self.code_bytes,
        }
    }
}

/// How many requests waited when one was begun.
struct QueueMarker {
    name: StringHandle,
    category: CategoryHandle,
    waiting: f64,
}

impl StaticSchemaMarker for QueueMarker {
    const UNIQUE_MARKER_TYPE_NAME: &'static str = "queue";
    const FIELDS: &'static [StaticSchemaMarkerField] =
        &[field("waiting", "Requests that wait", MarkerFieldFormat::Integer)];
    const GRAPHS: &'static [StaticSchemaMarkerGraph] = &[StaticSchemaMarkerGraph {
        key: "waiting",
        graph_type: MarkerGraphType::Bar,
        color: Some(GraphColor::Purple),
    }];

    name_and_category!();

    fn string_field_value(&self, _: u32) -> StringHandle {
        self.name
    }

    fn number_field_value(&self, _: u32) -> f64 {
        self.waiting
    }
}

impl Document {
    /// Adds what the tiers did; the profile's threads have tracks. Steps on threads that do not compile go to
    /// the first.
    pub(super) fn tier_events(
        &mut self,
        tiers: &TierReport,
        profile: &Sampled,
        tracks: &[ThreadHandle],
    ) {
        let program = tracks.first().copied();
        let numbers = profile.threads.iter().zip(tracks);
        let sampled = numbers.filter_map(|(thread, &track)| Some((thread.compiler?, track)));
        let compilers = self.compilers(tiers, sampled.collect());
        for function in &tiers.functions {
            let moments = function.moments().map(|step| (None, step));
            let compiled = function.lazy_compilations().map(|(began, step)| (Some(began), step));
            for (began, step) in compiled.chain(moments) {
                let thread = compilers.get(&step.thread).copied().or(program);
                if let Some(thread) = thread {
                    self.step(function, (began, step), thread);
                }
            }
        }
        for compilation in &tiers.compilations {
            if let Some(&thread) = compilers.get(&compilation.thread) {
                self.compilation(tiers, compilation, thread);
            }
        }
        self.queue(tiers, compilers.values().next().copied());
        self.code_bytes(tiers);
    }

    /// The track of each thread that compiled, by its number; those that were sampled have one.
    fn compilers(
        &mut self,
        tiers: &TierReport,
        mut handles: BTreeMap<u32, ThreadHandle>,
    ) -> BTreeMap<u32, ThreadHandle> {
        for (place, number) in tiers.optimizers().into_iter().enumerate() {
            if handles.contains_key(&number) {
                continue;
            }
            // The system's number of it is not known.
            let id = 1_000_000 + number;
            let handle = self.profile.add_thread(self.process, id, at_ms(0.0), false);
            self.profile.set_thread_name(handle, &format!("optimizer {place}"));
            self.profile.set_thread_show_markers_in_timeline(handle, true);
            handles.insert(number, handle);
        }
        handles
    }

    /// A step, which took some time when it is known when it began.
    fn step(
        &mut self,
        function: &FunctionTiers,
        (began, step): (Option<f64>, &Step),
        thread: ThreadHandle,
    ) {
        let category = match (&*step.what, step.loop_offset) {
            ("osr-entered", _) | (_, Some(_)) => Category::Osr,
            _ if began.is_some() => Category::Baseline,
            _ => Category::Optimized,
        };
        let marker = StepMarker {
            name: self.profile.intern_string(if began.is_some() {
                "first call"
            } else {
                &step.what
            }),
            function: self.profile.intern_string(&printable(&function.name)),
            category: self.categories[&category],
            loop_offset: step.loop_offset.unwrap_or(0).into(),
        };
        let at = at_ms(step.at_ms);
        let timing = began.map_or(MarkerTiming::Instant(at), |began| {
            MarkerTiming::Interval(at_ms(began.min(step.at_ms)), at)
        });
        self.profile.add_marker(thread, timing, marker);
    }

    fn compilation(&mut self, tiers: &TierReport, of: &Compilation, thread: ThreadHandle) {
        let function = tiers.functions.iter().find(|function| function.index == of.func);
        let name = function.map_or(String::new(), |function| printable(&function.name));
        let (what, category) = match of.loop_offset {
            Some(_) => ("compile a loop", Category::Osr),
            None => ("compile", Category::Optimized),
        };
        let marker = CompileMarker {
            function: self.profile.intern_string(&name),
            category: self.categories[&category],
            name: self.profile.intern_string(what),
            loop_offset: of.loop_offset.unwrap_or(0).into(),
            cpu_ms: of.cpu_ms,
            code_bytes: of.code_bytes as f64,
        };
        let (start, end) = of.span_ms;
        let timing = MarkerTiming::Interval(at_ms(start), at_ms(end.max(start)));
        self.profile.add_marker(thread, timing, marker);
    }

    fn queue(&mut self, tiers: &TierReport, thread: Option<ThreadHandle>) {
        let Some(thread) = thread else { return };
        for &(at, waiting) in &tiers.queue {
            let marker = QueueMarker {
                name: self.profile.intern_string("queue"),
                category: self.categories[&Category::Optimized],
                waiting: waiting as f64,
            };
            self.profile.add_marker(thread, MarkerTiming::Instant(at_ms(at)), marker);
        }
    }

    /// A track of how much machine code there is.
    fn code_bytes(&mut self, tiers: &TierReport) {
        let description = "Bytes of machine code that were made";
        let counter = self.profile.add_counter(self.process, "code", "Memory", description);
        self.profile.add_counter_sample(counter, at_ms(0.0), 0.0, 0);
        for &(at, bytes) in &tiers.code_growth {
            self.profile.add_counter_sample(counter, at_ms(at), bytes as f64, 1);
        }
    }
}
