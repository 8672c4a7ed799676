//! The memory that the process uses and may use, as the system reports it.

use std::path::Path;

/// A line of a `/proc` file that starts with `key`, as bytes; `None` where there is no such file (not Linux).
pub(crate) fn proc_bytes(file: &Path, key: &str) -> Option<u64> {
    let text = std::fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(key))?;
    let kibibytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kibibytes * 1024)
}

/// Peak resident memory of this process so far.
pub(crate) fn peak_memory() -> Option<u64> {
    proc_bytes(Path::new("/proc/self/status"), "VmHWM:")
}

/// Resident memory of this process; 0 where the system does not say.
pub(crate) fn resident_memory() -> u64 {
    proc_bytes(Path::new("/proc/self/status"), "VmRSS:").unwrap_or(0)
}

/// The limit of this process's address space (`ulimit -v`).
pub(crate) fn address_space(root: &Path) -> Option<u64> {
    let limits = std::fs::read_to_string(root.join("proc/self/limits")).ok()?;
    limits.lines().find_map(|line| line.strip_prefix("Max address space")?.split_whitespace().next()?.parse().ok())
}

/// Whether the address space of this process is limited.
pub(crate) fn is_address_space_limited() -> bool {
    address_space(Path::new("/")).is_some()
}
