//! How much memory a session may use when nobody says: a share of what the machine, or the cgroup around this process,
//! has.

use std::path::{Path, PathBuf};

/// Assumed where the amount of memory cannot be found out: small enough for any machine that runs a query engine.
const FALLBACK_MACHINE_BYTES: u64 = 4 << 30;

/// The default memory limit in bytes: 60 % of the smaller of the machine's memory and its cgroup limits (v1 and v2,
/// nested cgroups included). Where neither can be read, as on systems other than Linux, 60 % of 4 GiB.
pub fn default_memory_limit() -> u64 {
    let available = available_memory_bytes(|path| std::fs::read_to_string(path).ok());
    share_of(available.unwrap_or(FALLBACK_MACHINE_BYTES))
}

fn share_of(available_bytes: u64) -> u64 {
    (u128::from(available_bytes) * 60 / 100) as u64
}

/// The smallest limit that the files of `/proc` and `/sys` state. `read` gives a file's content, `None` if there is
/// no such file, so that a test can stand in for a machine.
fn available_memory_bytes(read: impl Fn(&Path) -> Option<String>) -> Option<u64> {
    let machine = read(Path::new("/proc/meminfo")).and_then(|text| mem_total_bytes(&text));
    let memberships = read(Path::new("/proc/self/cgroup")).unwrap_or_default();
    let cgroups = memberships.lines().filter_map(Membership::parse).filter_map(|group| group.limit_bytes(&read));
    machine.into_iter().chain(cgroups).min()
}

fn mem_total_bytes(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// One line of `/proc/self/cgroup`: which cgroup this process is in, seen from one hierarchy.
struct Membership {
    /// Where the hierarchy is mounted; the first that has the file wins.
    mounts: &'static [&'static str],
    limit_file: &'static str,
    group: PathBuf,
}

impl Membership {
    fn parse(line: &str) -> Option<Self> {
        // hierarchy-ID:controller-list:cgroup-path, where version 2 is `0::/path`.
        let mut fields = line.splitn(3, ':');
        let (hierarchy, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
        let group = PathBuf::from(path.trim_start_matches('/'));
        if hierarchy == "0" && controllers.is_empty() {
            let mounts = &["/sys/fs/cgroup", "/sys/fs/cgroup/unified"];
            Some(Self { mounts, limit_file: "memory.max", group })
        } else if controllers.split(',').any(|controller| controller == "memory") {
            let mounts = &["/sys/fs/cgroup/memory"];
            Some(Self { mounts, limit_file: "memory.limit_in_bytes", group })
        } else {
            None
        }
    }

    /// The smallest limit on the way from the group up to the root of its hierarchy: an outer group binds as well.
    ///
    /// Inside a container the path may name groups that only the host can see; walking up then still finds the
    /// container's own limit at the mount.
    fn limit_bytes(&self, read: &impl Fn(&Path) -> Option<String>) -> Option<u64> {
        let levels = self.group.ancestors().flat_map(|group| self.mounts.iter().map(move |m| Path::new(m).join(group)));
        // Version 2 writes `max` and version 1 a number near 2^63 for "no limit"; the one does not parse and the other
        // is never the smallest.
        levels.filter_map(|level| read(&level.join(self.limit_file))?.trim().parse().ok()).min()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    const MEMINFO: &str = "MemTotal:       16384000 kB\nMemFree:         1000000 kB\n";
    const MACHINE_BYTES: u64 = 16_384_000 * 1024;

    fn available(files: &[(&str, &str)]) -> Option<u64> {
        let files: HashMap<PathBuf, String> = files.iter().map(|(p, t)| (PathBuf::from(p), t.to_string())).collect();
        available_memory_bytes(|path| files.get(path).cloned())
    }

    #[test]
    fn machine_without_cgroups() {
        assert_eq!(available(&[("/proc/meminfo", MEMINFO)]), Some(MACHINE_BYTES));
        assert_eq!(available(&[]), None);
    }

    #[test]
    fn version_2_takes_the_smallest_of_nested_groups() {
        let files = [
            ("/proc/meminfo", MEMINFO),
            ("/proc/self/cgroup", "0::/outer/inner\n"),
            ("/sys/fs/cgroup/outer/inner/memory.max", "max\n"),
            ("/sys/fs/cgroup/outer/memory.max", "2147483648\n"),
        ];
        assert_eq!(available(&files), Some(2_147_483_648));
    }

    #[test]
    fn version_2_without_a_limit_leaves_the_machine() {
        let files =
            [("/proc/meminfo", MEMINFO), ("/proc/self/cgroup", "0::/\n"), ("/sys/fs/cgroup/memory.max", "max\n")];
        assert_eq!(available(&files), Some(MACHINE_BYTES));
    }

    #[test]
    fn version_1_container_whose_group_only_the_host_sees() {
        let files = [
            ("/proc/meminfo", MEMINFO),
            ("/proc/self/cgroup", "12:cpu,cpuacct:/docker/abc\n4:memory:/docker/abc\n"),
            ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "1073741824\n"),
        ];
        assert_eq!(available(&files), Some(1_073_741_824));
    }

    #[test]
    fn version_1_without_a_limit_leaves_the_machine() {
        let files = [
            ("/proc/meminfo", MEMINFO),
            ("/proc/self/cgroup", "4:memory:/\n"),
            ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
        ];
        assert_eq!(available(&files), Some(MACHINE_BYTES));
    }

    #[test]
    fn hybrid_hierarchies_take_the_smaller() {
        let files = [
            ("/proc/meminfo", MEMINFO),
            ("/proc/self/cgroup", "4:memory:/a\n0::/b\n"),
            ("/sys/fs/cgroup/memory/a/memory.limit_in_bytes", "3000000000\n"),
            ("/sys/fs/cgroup/unified/b/memory.max", "2000000000\n"),
        ];
        assert_eq!(available(&files), Some(2_000_000_000));
    }

    #[test]
    fn a_limit_above_the_machine_does_not_count() {
        let files = [
            ("/proc/meminfo", MEMINFO),
            ("/proc/self/cgroup", "0::/\n"),
            ("/sys/fs/cgroup/memory.max", "99999999999999\n"),
        ];
        assert_eq!(available(&files), Some(MACHINE_BYTES));
    }

    #[test]
    fn garbage_is_ignored() {
        let files = [("/proc/meminfo", "MemTotal: many\n"), ("/proc/self/cgroup", "nonsense\n0:\n")];
        assert_eq!(available(&files), None);
    }

    #[test]
    fn the_share_is_sixty_percent() {
        assert_eq!(share_of(1000), 600);
        assert_eq!(share_of(u64::MAX), 11_068_046_444_225_730_969);
        assert!(default_memory_limit() > 0);
    }
}
