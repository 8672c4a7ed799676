//! Which file imports from which, read from the `use` lines and paths of the source.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

/// A source file: its name below `src`, its code without comments and unit tests.
pub(crate) struct SourceFile {
    pub(crate) name: String,
    pub(crate) code: String,
    /// The module that it is.
    module: Vec<String>,
}

/// Code without comments and unit tests.
pub(crate) fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    // Unit tests in a file of their own are declared anywhere: what follows is code.
    let text = text.replace("#[cfg(test)]\nmod tests;", "\n");
    let is_comment = |start: usize, line: &str| line[..start].matches('"').count().is_multiple_of(2);
    let cut = |line: &str| match line.match_indices("//").find(|(start, _)| is_comment(*start, line)) {
        Some((start, _)) => line[..start].to_owned(),
        None => line.to_owned(),
    };
    let mut lines: Vec<String> = text.split('\n').map(cut).collect();
    if lines.last().is_some_and(String::is_empty) {
        lines.pop();
        lines.push(String::new());
    }
    lines.join("\n")
}

/// A file by its name below `src` and its text.
pub(crate) fn file(name: &str, text: &str) -> SourceFile {
    let stem = name.trim_end_matches(".rs");
    let module = stem.strip_suffix("/mod").unwrap_or(stem);
    let module =
        if ["lib", "main"].contains(&module) { Vec::new() } else { module.split('/').map(str::to_owned).collect() };
    SourceFile { name: name.to_owned(), code: code(text), module }
}

/// Every source file but those of unit tests.
pub(crate) fn source_files() -> Vec<SourceFile> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                if !name.ends_with("tests") {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|ending| ending == "rs") && !name.ends_with("tests.rs") {
                files.push(file(&name, &fs::read_to_string(path).unwrap()));
            }
        }
    }
    files.sort_by(|one, other| one.name.cmp(&other.name));
    files
}

/// A path that code names, from the root of the crate, and whether the file only hands it on.
struct Named {
    path: Vec<String>,
    handed_on: bool,
}

fn words(path: &str) -> Vec<String> {
    path.split("::").map(|word| word.trim().to_owned()).filter(|word| !word.is_empty()).collect()
}

/// The paths of a tree as in `a::{b, c::{self, d as e}}`.
fn branches(tree: &str) -> Vec<String> {
    let Some(open) = tree.find('{') else {
        return vec![tree.split(" as ").next().unwrap_or_default().trim().to_owned()];
    };
    let (stem, inside) = (&tree[..open], &tree[open + 1..tree.rfind('}').unwrap_or(tree.len())]);
    let mut depth = 0;
    let mut parts = vec![String::new()];
    for letter in inside.chars() {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        match (letter, depth) {
            (',', 0) => parts.push(String::new()),
            _ => parts.last_mut().unwrap().push(letter),
        }
    }
    let inner = parts.iter().map(|part| part.trim()).filter(|part| !part.is_empty()).flat_map(branches);
    inner.map(|branch| format!("{}{branch}", stem.trim())).collect()
}

/// A path as `file` writes it, from the root of the crate; none if it begins elsewhere.
fn absolute(file: &SourceFile, children: &BTreeSet<Vec<String>>, path: &[String]) -> Option<Vec<String>> {
    let mut at = file.module.clone();
    let mut rest = path;
    match path.first()?.as_str() {
        "crate" => {
            at.clear();
            rest = &path[1..];
        }
        "openmoe_analyze" => return None,
        "self" => rest = &path[1..],
        "super" => {
            while rest.first().is_some_and(|word| word == "super") {
                at.pop();
                rest = &rest[1..];
            }
        }
        first => {
            let child: Vec<String> = at.iter().cloned().chain([first.to_owned()]).collect();
            if !children.contains(&child) {
                return None;
            }
        }
    }
    at.extend(rest.iter().filter(|word| *word != "self").cloned());
    Some(at)
}

fn named(file: &SourceFile, modules: &BTreeSet<Vec<String>>) -> Vec<Named> {
    let mut found = Vec::new();
    let mut rest = String::new();
    for (at, statement) in file.code.split(';').enumerate() {
        let start = statement.rfind("use ").filter(|start| {
            let before = statement[..*start].trim_end();
            before.is_empty() || before.ends_with(['}', ']', ')', '{']) || before.ends_with("pub")
        });
        let Some(start) = start else {
            if at > 0 {
                rest.push(';');
            }
            rest.push_str(statement);
            continue;
        };
        let before = statement[..start].trim_end();
        rest.push_str(before);
        let handed_on = before.ends_with("pub") || before.ends_with(')') && before.contains("pub(");
        for branch in branches(statement[start + 4..].trim()) {
            if let Some(path) = absolute(file, modules, &words(&branch)) {
                found.push(Named { path, handed_on });
            }
        }
    }
    for prefix in ["crate::", "super::", "self::"] {
        for (start, _) in rest.match_indices(prefix) {
            let path: String = rest[start..].chars().take_while(|c| c.is_alphanumeric() || "_:".contains(*c)).collect();
            if rest[..start].ends_with("(in ")
                || rest[..start].ends_with("super::")
                || rest[..start].ends_with(|c: char| c.is_alphanumeric() || c == '_')
            {
                continue;
            }
            if let Some(path) = absolute(file, modules, &words(&path)) {
                found.push(Named { path, handed_on: false });
            }
        }
    }
    // A child named without `self::`, as in `child::make()`.
    for module in
        modules.iter().filter(|module| module.len() == file.module.len() + 1 && module.starts_with(&file.module))
    {
        let call = format!("{}::", module.last().unwrap());
        let is_whole = |start: usize| !rest[..start].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':');
        for (start, _) in rest.match_indices(&call).filter(|(start, _)| is_whole(*start)) {
            let name: String =
                rest[start + call.len()..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            found.push(Named { path: module.iter().cloned().chain([name]).collect(), handed_on: false });
        }
    }
    found
}

/// The circles of the crate's files.
pub(crate) fn circles() -> Vec<Vec<String>> {
    circles_of(&source_files())
}

/// The groups of files each of which imports, directly or through others, every other one of its group.
pub(crate) fn circles_of(files: &[SourceFile]) -> Vec<Vec<String>> {
    let by_module: BTreeMap<Vec<String>, usize> = files
        .iter()
        .enumerate()
        .filter(|(_, file)| !file.module.is_empty())
        .map(|(at, file)| (file.module.clone(), at))
        .collect();
    let modules: BTreeSet<Vec<String>> = by_module.keys().cloned().collect();
    let all: Vec<Vec<Named>> = files.iter().map(|file| named(file, &modules)).collect();
    // What a module hands on, by the path under which it does.
    let mut handed_on: BTreeMap<Vec<String>, Vec<String>> = BTreeMap::new();
    for (file, named) in files.iter().zip(&all) {
        for path in named.iter().filter(|named| named.handed_on).map(|named| &named.path) {
            let own: Vec<String> = file.module.iter().cloned().chain(path.last().cloned()).collect();
            // A function may have the name of the module that it is in; a path through that name means the module.
            if own != *path && !modules.contains(&own) {
                handed_on.insert(own, path.clone());
            }
        }
    }
    let target = |path: &[String]| {
        let mut path = path.to_vec();
        for _ in 0..8 {
            let Some(length) = (1..=path.len()).rev().find(|&length| handed_on.contains_key(&path[..length])) else {
                break;
            };
            let rest = path.split_off(length);
            path = handed_on[&path].iter().cloned().chain(rest).collect();
        }
        (1..=path.len()).rev().find_map(|length| by_module.get(&path[..length]).copied())
    };
    let edges: Vec<BTreeSet<usize>> = all
        .iter()
        .enumerate()
        .map(|(at, named)| {
            let used = named.iter().filter(|named| !named.handed_on);
            used.filter_map(|named| target(&named.path)).filter(|other| *other != at).collect()
        })
        .collect();
    let reach: Vec<BTreeSet<usize>> = (0..files.len()).map(|from| reachable(&edges, from)).collect();
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for at in 0..files.len() {
        if reach[at].contains(&at) && seen.insert(at) {
            let group: Vec<usize> = reach[at].iter().copied().filter(|&other| reach[other].contains(&at)).collect();
            seen.extend(&group);
            found.push(group.into_iter().map(|at| files[at].name.clone()).collect());
        }
    }
    found
}

fn reachable(edges: &[BTreeSet<usize>], from: usize) -> BTreeSet<usize> {
    let mut found = BTreeSet::new();
    let mut next: Vec<usize> = edges[from].iter().copied().collect();
    while let Some(at) = next.pop() {
        if found.insert(at) {
            next.extend(&edges[at]);
        }
    }
    found
}
