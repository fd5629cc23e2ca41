//! The settings of the managed server: stated here, nowhere else.
//!
//! They are chosen for measuring: nothing happens in the background that a measurement did not
//! cause (autovacuum, timed checkpoints), and nothing is switched off that a real server pays for
//! (`fsync`, `synchronous_commit`, `full_page_writes` stay on). They are recorded in every artifact, so
//! they must never contain what differs from start to start: port and socket are kept apart.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

/// Settings of a server by name.
pub type Settings = BTreeMap<String, String>;

/// The share of memory that `shared_buffers` may take at most, as a divisor.
const MEMORY_SHARE: u64 = 4;
const MIB: u64 = 1 << 20;

/// What the settings depend on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Host {
    /// Bytes of memory this process may use, the limit of a container included.
    pub(crate) memory: u64,
    /// Bytes that POSIX shared memory has room for; parallel index builds need it.
    pub(crate) shared_memory: u64,
}

impl Host {
    /// This machine.
    pub(crate) fn this() -> Self {
        // A system that does not say gets the least.
        let memory = sysinfo::System::new().map_or(0, |mut system| {
            system.refresh_memory();
            let total = system.total_memory();
            let limit = system.cgroup_limits().map_or(total, |c| c.total_memory);
            limit.min(total)
        });
        let shared_memory = nix::sys::statvfs::statvfs("/dev/shm").map_or(u64::MAX, |fs| {
            // The fields' widths differ between systems.
            #[expect(clippy::useless_conversion, reason = "u32 on some systems")]
            let (blocks, size) = (u64::from(fs.blocks()), u64::from(fs.fragment_size()));
            blocks.saturating_mul(size)
        });
        Self {
            memory,
            shared_memory,
        }
    }
}

/// The settings that decide what is measured, with `overrides` in place of the defaults.
pub(crate) fn settings(host: Host, overrides: &Settings) -> Settings {
    // In steps, so that a few bytes more or less do not make two sessions incomparable.
    let share = host.memory / MEMORY_SHARE / (128 * MIB) * 128;
    let shared_buffers = format!("{}MB", share.clamp(128, 1024));
    let dynamic = if host.shared_memory < 1024 * MIB {
        "mmap"
    } else {
        "posix"
    };
    let mut settings: Settings = [
        // What the engine uses.
        ("wal_level", "logical"),
        ("max_prepared_transactions", "64"),
        ("max_connections", "200"),
        ("max_wal_senders", "10"),
        ("max_replication_slots", "10"),
        // Room for a load without a requested checkpoint in the middle.
        ("shared_buffers", &shared_buffers),
        ("maintenance_work_mem", "256MB"),
        ("min_wal_size", "1GB"),
        ("max_wal_size", "8GB"),
        ("checkpoint_timeout", "30min"),
        ("dynamic_shared_memory_type", dynamic),
        // As durable as a real server.
        ("fsync", "on"),
        ("synchronous_commit", "on"),
        ("full_page_writes", "on"),
        // Nothing in the background, nothing that decides anew in each run.
        ("autovacuum", "off"),
        ("jit", "off"),
        // Texts that read alike everywhere.
        ("timezone", "UTC"),
        ("log_timezone", "UTC"),
        ("datestyle", "ISO, MDY"),
        ("lc_messages", "C"),
        ("default_text_search_config", "pg_catalog.simple"),
        ("log_checkpoints", "on"),
        ("cluster_name", "rb-bench"),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .collect();
    settings.extend(overrides.clone());
    settings
}

/// The configuration file: `settings`, and where this start of the server listens.
pub(crate) fn configuration_file(
    settings: &Settings,
    port: u16,
    socket_directory: Option<&Path>,
) -> String {
    // A list of directories has its own quotes inside the value's.
    let sockets = socket_directory.map_or_else(String::new, |directory| {
        format!(
            "\"{}\"",
            directory.display().to_string().replace('"', "\"\"")
        )
    });
    let mut text = String::from("# Written by rb-bench at each start; changes are lost.\n");
    let listening = [
        ("listen_addresses", "127.0.0.1"),
        ("port", &port.to_string()),
        ("unix_socket_directories", &sockets),
        ("unix_socket_permissions", "0700"),
    ];
    let stated = settings.iter().map(|(k, v)| (k.as_str(), v.as_str()));
    for (name, value) in stated.chain(listening) {
        let quoted = value.replace('\\', "\\\\").replace('\'', "''");
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{name} = '{quoted}'");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOMY: Host = Host {
        memory: 64 << 30,
        shared_memory: 32 << 30,
    };

    #[test]
    fn a_large_machine_gets_the_settings_of_the_published_figures() {
        let settings = settings(ROOMY, &Settings::new());
        assert_eq!(settings["shared_buffers"], "1024MB");
        assert_eq!(settings["wal_level"], "logical");
        assert_eq!(settings["max_prepared_transactions"], "64");
        assert_eq!(settings["dynamic_shared_memory_type"], "posix");
    }

    #[test]
    fn a_small_machine_gets_a_quarter_of_its_memory_and_no_posix_shared_memory() {
        let small = Host {
            memory: 2000 << 20,
            shared_memory: 64 << 20,
        };
        let settings = settings(small, &Settings::new());
        assert_eq!(settings["shared_buffers"], "384MB");
        assert_eq!(settings["dynamic_shared_memory_type"], "mmap");
    }

    #[test]
    fn overrides_win() {
        let overrides = Settings::from([("max_prepared_transactions".into(), "0".into())]);
        assert_eq!(
            settings(ROOMY, &overrides)["max_prepared_transactions"],
            "0"
        );
    }

    #[test]
    fn the_file_quotes_what_postgres_would_misread() {
        let settings = Settings::from([("cluster_name".into(), r"it's a \ b".into())]);
        let text = configuration_file(&settings, 5433, Some(Path::new("/tmp/a,b")));
        assert!(text.contains(r"cluster_name = 'it''s a \\ b'"), "{text}");
        assert!(text.contains("unix_socket_directories = '\"/tmp/a,b\"'"));
        let without = configuration_file(&settings, 5433, None);
        assert!(without.contains("unix_socket_directories = ''"));
    }
}
