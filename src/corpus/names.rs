//! Makes names unique.

use std::collections::HashMap;

/// Makes names unique: a name that occurs again gets a suffix.
#[derive(Clone, Debug, Default)]
pub(super) struct UniqueNames {
    /// How often each name has occurred.
    taken: HashMap<String, usize>,
}

impl UniqueNames {
    /// The name, or the name with the first free suffix `#2`, `#3` ...
    pub(super) fn unique(&mut self, name: String) -> String {
        let Some(&taken) = self.taken.get(&name) else {
            self.taken.insert(name.clone(), 1);
            return name;
        };
        let mut count = taken + 1;
        while self.taken.contains_key(&format!("{name}#{count}")) {
            count += 1;
        }
        let unique = format!("{name}#{count}");
        self.taken.insert(unique.clone(), 1);
        self.taken.insert(name, count);
        unique
    }
}
