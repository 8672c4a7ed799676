//! How much memory a run may take, and what limits it: the machine, a container, or a limit of the shell.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{
    process_memory::{address_space, is_address_space_limited, proc_bytes},
    quantities,
};
use crate::error::{Error, OptionName, Result};

/// The memory that is assumed if the system does not say how much there is.
const UNKNOWN: u64 = 2_000_000_000;
/// Address space that a thread takes besides its data: its stack, and the first segment of its allocator.
const THREAD: u64 = 34 << 20;

/// Threads besides those that compute: one reads weights, one writes the trace, two draw bars, one is spare.
pub(crate) const THREADS_BESIDE: usize = 5;

/// A bound of memory, and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Bound {
    /// Bytes.
    pub(crate) bytes: u64,
    /// Where it comes from, in words.
    pub(crate) source: String,
}

impl Bound {
    /// What the forward pass may take: as asked, else a quarter of the smallest bound.
    pub(crate) fn for_run(asked: Option<u64>) -> Self {
        if let Some(bytes) = asked {
            return Self { bytes, source: OptionName::Memory.to_string() };
        }
        match bounds(Path::new("/")).into_iter().min() {
            Some(bound) => Self { bytes: bound.bytes / 4, source: bound.source },
            None => Self { bytes: UNKNOWN, source: "the system does not say how much there is".to_owned() },
        }
    }
}

impl std::fmt::Display for Bound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", quantities::bytes(self.bytes as f64), self.source)
    }
}

/// Every limit on the memory of this process, as the files below `root` give it.
fn bounds(root: &Path) -> Vec<Bound> {
    let machine = proc_bytes(&root.join("proc/meminfo"), "MemTotal:");
    let groups = fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    let limits = [
        (machine, "a quarter of the machine's memory"),
        (group_limit(root, &groups), "a quarter of the control group's memory"),
        (address_space(root), "a quarter of the address space, ulimit -v"),
    ];
    let bound = |(bytes, source): (Option<u64>, &str)| Some(Bound { bytes: bytes?, source: source.to_owned() });
    limits.into_iter().filter_map(bound).collect()
}

/// The smallest limit of the control groups that hold this process. The limit of a group holds for the groups below it too, so
/// all groups up to the root are read; a container sees only some of them, so a path may not exist here.
fn group_limit(root: &Path, groups: &str) -> Option<u64> {
    let mounted = root.join("sys/fs/cgroup");
    let limits = groups.lines().flat_map(|line| {
        let mut parts = line.splitn(3, ':');
        let (_, controllers, path) = (parts.next(), parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let (places, file): (Vec<PathBuf>, &str) = match controllers {
            "" => (vec![mounted.clone(), mounted.join("unified")], "memory.max"),
            names if names.split(',').any(|name| name == "memory") => {
                (vec![mounted.join("memory"), mounted.join(names)], "memory.limit_in_bytes")
            }
            _ => (Vec::new(), ""),
        };
        places.into_iter().flat_map(move |place| limits_up_to(&place, path, file))
    });
    limits.min()
}

/// The numbers in `file` of a group and of every group above it, up to `place`; "max" is not a limit.
fn limits_up_to(place: &Path, group: &str, file: &str) -> Vec<u64> {
    let group = Path::new(group.trim_start_matches('/'));
    let above = group.ancestors().map(|ancestor| place.join(ancestor).join(file));
    above.filter_map(|path| fs::read_to_string(path).ok()?.trim().parse().ok()).collect()
}

/// Refuses a forward pass that does not fit into memory: a failed allocation in the middle of it could neither be handled nor
/// reported. `needed` is the number of bytes that it takes besides what the process holds; they are allocated as a trial and
/// freed at once.
///
/// # Errors
/// [`Error::Usage`] with what is needed, and the limit.
pub(crate) fn check_room(needed: u64) -> Result<()> {
    // Besides the threads that compute there are those that read and write tables, one for each core, and a few more.
    let limited = is_address_space_limited();
    let others = if limited { std::thread::available_parallelism().map_or(1, usize::from) + THREADS_BESIDE } else { 0 };
    let needed = needed + THREAD * (rayon::current_num_threads() + others) as u64;
    let refused = Vec::<u8>::new().try_reserve_exact(needed as usize).is_err();
    if !refused {
        return Ok(());
    }
    let limit = address_space(Path::new("/"))
        .map_or_else(String::new, |limit| format!(" of the {} that ulimit -v allows", quantities::bytes(limit as f64)));
    Err(Error::usage(
        format!("the forward pass needs about {} more, which are not left{limit}", quantities::bytes(needed as f64)),
        format!(
            "raise the limit (ulimit -v), or take less: {}, {}, {}",
            OptionName::Memory,
            OptionName::Context,
            OptionName::Threads.with(1)
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder with these files, to stand for the root of a file system.
    fn system(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    fn smallest(files: &[(&str, &str)]) -> Option<(u64, String)> {
        bounds(system(files).path()).into_iter().min().map(|bound| (bound.bytes, bound.source))
    }

    const MACHINE: (&str, &str) = ("proc/meminfo", "MemTotal:  1024 kB\nMemFree:  1 kB\n");
    const GROUP: &str = "a quarter of the control group's memory";

    #[test]
    fn the_smallest_bound_decides() {
        assert_eq!(smallest(&[]), None);
        assert_eq!(smallest(&[MACHINE]), Some((1 << 20, "a quarter of the machine's memory".to_owned())));
        let limits = ("proc/self/limits", "Max address space         500000    unlimited    bytes\n");
        assert_eq!(
            smallest(&[MACHINE, limits]),
            Some((500_000, "a quarter of the address space, ulimit -v".to_owned()))
        );
        let limits = ("proc/self/limits", "Max address space         unlimited    unlimited    bytes\n");
        assert_eq!(smallest(&[MACHINE, limits]).unwrap().0, 1 << 20);
    }

    #[test]
    fn groups_of_both_kinds_bind_and_so_do_those_above_them() {
        let second = [MACHINE, ("proc/self/cgroup", "0::/a/b\n")];
        let with = |more: &[(&'static str, &'static str)]| smallest(&[&second[..], more].concat());
        assert_eq!(with(&[("sys/fs/cgroup/a/b/memory.max", "2048\n")]), Some((2048, GROUP.to_owned())));
        assert_eq!(
            with(&[("sys/fs/cgroup/a/b/memory.max", "max\n"), ("sys/fs/cgroup/a/memory.max", "4096\n")]),
            Some((4096, GROUP.to_owned()))
        );
        // In a container the group is not visible at its path; its own limit stands at the root.
        assert_eq!(with(&[("sys/fs/cgroup/memory.max", "8192\n")]), Some((8192, GROUP.to_owned())));
        assert_eq!(with(&[("sys/fs/cgroup/a/b/memory.max", "max\n")]).unwrap().0, 1 << 20);
        let first = [MACHINE, ("proc/self/cgroup", "5:cpu,cpuacct:/x\n4:memory:/x/y\n")];
        let with = |path: &'static str, limit| smallest(&[&first[..], &[(path, limit)]].concat());
        assert_eq!(with("sys/fs/cgroup/memory/x/y/memory.limit_in_bytes", "2048\n"), Some((2048, GROUP.to_owned())));
        assert_eq!(with("sys/fs/cgroup/memory/x/memory.limit_in_bytes", "4096\n"), Some((4096, GROUP.to_owned())));
        assert_eq!(with("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n").unwrap().0, 1 << 20);
    }
}
