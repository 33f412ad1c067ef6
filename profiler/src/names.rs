//! Names of a module's functions that tell them apart: `find`, but `find[3]` and `find[7]` where two functions
//! are called so.

use crate::symbols::function_name;
use std::collections::{BTreeSet, HashMap};
use upshift::Module;

/// See the module head.
#[derive(Debug)]
pub(crate) struct Names<'a> {
    module: &'a Module,
    /// As the module calls them.
    known: HashMap<u32, String>,
    /// Whose name it is; `None` when several functions are called so.
    owners: HashMap<String, Option<u32>>,
}

impl<'a> Names<'a> {
    /// The names of a module whose program is over. Those of functions that have code are compared with each
    /// other: a large module has many that never run.
    pub(crate) fn new(module: &'a Module) -> Self {
        let mut names = Self { module, known: HashMap::new(), owners: HashMap::new() };
        let with_code: BTreeSet<u32> =
            module.code_ranges().iter().map(|range| range.func).collect();
        for index in with_code {
            let name = function_name(module, index);
            names.known.insert(index, name.clone());
            names.claim(name, index);
        }
        names
    }

    fn claim(&mut self, name: String, index: u32) {
        let owner = self.owners.entry(name).or_insert(Some(index));
        if *owner != Some(index) {
            *owner = None;
        }
    }

    /// The name of a function.
    pub(crate) fn of(&mut self, index: u32) -> String {
        let known = self.known.get(&index).cloned();
        let name = known.unwrap_or_else(|| function_name(self.module, index));
        self.distinct(name, index)
    }

    /// The same of a function that is called so.
    pub(crate) fn distinct(&mut self, name: String, index: u32) -> String {
        match self.owners.get(&name) {
            Some(owner) if *owner != Some(index) => format!("{name}[{index}]"),
            Some(_) => name,
            None => {
                // It has no code of its own: it is imported, or was inlined only.
                self.claim(name.clone(), index);
                name
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use upshift::{Engine, Linker, Store};

    #[test]
    fn equal_names_are_told_apart() {
        let text = r#"(module
            (func (@name "same")) (func (@name "same")) (func (@name "")) (func (@name "other"))
            (func (@name "same"))
            (func (export "f") (call 0) (call 1) (call 2) (call 3)))"#;
        let module = Module::new(&Engine::default(), text).unwrap();
        let mut store = Store::new(module.engine(), ());
        let instance = Linker::new(module.engine()).instantiate(&mut store, &module).unwrap();
        instance.get_typed_func::<(), ()>(&mut store, "f").unwrap().call(&mut store, ()).unwrap();
        let mut names = Names::new(&module);
        let shown: Vec<String> = (0..5).map(|index| names.of(index)).collect();
        assert_eq!(shown, ["same[0]", "same[1]", "func[2]", "other", "same[4]"]);
        // What has no code and no rival keeps its name.
        let inlined = |names: &mut Names<'_>, index| names.distinct("new".to_owned(), index);
        assert_eq!([7, 7, 8].map(|index| inlined(&mut names, index)), ["new", "new", "new[8]"]);
    }
}
