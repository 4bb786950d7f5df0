//! What an exporter of machine metrics has to tell, and the two texts it tells it in.
//!
//! The families, their labels, the share of zeros (two fifths) and the look of the numbers are those of a
//! Linux host with eight cores: about 500 series.

use std::fmt::Write as _;

/// Series of one host.
pub(crate) const PER_HOST: usize = 500;

/// What a family is, as `# TYPE` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    Counter,
    Gauge,
}

pub(crate) struct Family {
    pub(crate) name: String,
    pub(crate) kind: Type,
    pub(crate) help: String,
    pub(crate) series: Vec<Series>,
}

pub(crate) struct Series {
    /// Host of several; a page of one host does not name it.
    pub(crate) host: usize,
    /// In the order of their names.
    pub(crate) labels: Vec<(&'static str, String)>,
    pub(crate) value: f64,
}

/// One part of the machine: its families, each with a series for every label set.
struct Part {
    prefix: &'static str,
    names: &'static [&'static str],
    kind: Type,
    labels: fn(usize) -> Vec<(&'static str, String)>,
    sets: usize,
}

fn none(_: usize) -> Vec<(&'static str, String)> {
    Vec::new()
}

fn cpu(nth: usize) -> Vec<(&'static str, String)> {
    const MODES: [&str; 8] =
        ["idle", "iowait", "irq", "nice", "softirq", "steal", "system", "user"];
    vec![("cpu", (nth / 8).to_string()), ("mode", MODES[nth % 8].to_owned())]
}

fn network(nth: usize) -> Vec<(&'static str, String)> {
    const DEVICES: [&str; 5] = ["docker0", "eth0", "eth1", "lo", "veth3f2a91c"];
    vec![("device", DEVICES[nth].to_owned())]
}

fn disk(nth: usize) -> Vec<(&'static str, String)> {
    vec![("device", ["dm-0", "nvme0n1", "nvme1n1"][nth].to_owned())]
}

fn filesystem(nth: usize) -> Vec<(&'static str, String)> {
    const PLACES: [(&str, &str, &str); 6] = [
        ("/dev/mapper/system-root", "ext4", "/"),
        ("/dev/mapper/system-var", "ext4", "/var/lib/postgresql/15/main"),
        ("/dev/nvme0n1p1", "vfat", "/boot/efi"),
        ("/dev/nvme0n1p2", "ext4", "/boot"),
        ("tmpfs", "tmpfs", "/run"),
        ("tmpfs", "tmpfs", "/run/user/1000"),
    ];
    let (device, kind, place) = PLACES[nth];
    [("device", device), ("fstype", kind), ("mountpoint", place)]
        .map(|(name, value)| (name, value.to_owned()))
        .to_vec()
}

#[rustfmt::skip]
const PARTS: [Part; 8] = [
    Part { prefix: "node_cpu_", kind: Type::Counter, labels: cpu, sets: 64,
        names: &["seconds_total"] },
    Part { prefix: "node_cpu_guest_", kind: Type::Counter, labels: cpu, sets: 16,
        names: &["seconds_total"] },
    Part { prefix: "node_network_", kind: Type::Counter, labels: network, sets: 5,
        names: &["receive_bytes_total", "receive_compressed_total", "receive_drop_total",
            "receive_errs_total", "receive_fifo_total", "receive_frame_total",
            "receive_multicast_total", "receive_nohandler_total", "receive_packets_total",
            "transmit_bytes_total", "transmit_carrier_total", "transmit_colls_total",
            "transmit_compressed_total", "transmit_drop_total", "transmit_errs_total",
            "transmit_fifo_total", "transmit_packets_total", "carrier_changes_total"] },
    Part { prefix: "node_network_", kind: Type::Gauge, labels: network, sets: 5,
        names: &["address_assign_type", "carrier", "device_id", "dormant", "flags", "iface_id",
            "iface_link", "mtu_bytes", "speed_bytes", "transmit_queue_length", "up"] },
    Part { prefix: "node_disk_", kind: Type::Counter, labels: disk, sets: 3,
        names: &["discard_time_seconds_total", "discarded_sectors_total",
            "discards_completed_total", "discards_merged_total", "flush_requests_total",
            "io_time_seconds_total", "io_time_weighted_seconds_total", "read_bytes_total",
            "read_time_seconds_total", "reads_completed_total", "reads_merged_total",
            "write_time_seconds_total", "writes_completed_total", "written_bytes_total"] },
    Part { prefix: "node_filesystem_", kind: Type::Gauge, labels: filesystem, sets: 6,
        names: &["avail_bytes", "device_error", "files", "files_free", "free_bytes", "readonly",
            "size_bytes"] },
    Part { prefix: "node_memory_", kind: Type::Gauge, labels: none, sets: 1,
        names: &["Active_anon_bytes", "Active_bytes", "AnonHugePages_bytes", "AnonPages_bytes",
            "Bounce_bytes", "Buffers_bytes", "Cached_bytes", "CommitLimit_bytes",
            "Committed_AS_bytes", "DirectMap1G_bytes", "DirectMap2M_bytes", "Dirty_bytes",
            "HugePages_Free", "HugePages_Total", "Inactive_bytes", "KernelStack_bytes",
            "Mapped_bytes", "MemAvailable_bytes", "MemFree_bytes", "MemTotal_bytes",
            "PageTables_bytes", "Percpu_bytes", "SReclaimable_bytes", "SUnreclaim_bytes",
            "Shmem_bytes", "Slab_bytes", "SwapFree_bytes", "SwapTotal_bytes",
            "VmallocTotal_bytes", "Writeback_bytes"] },
    Part { prefix: "node_netstat_", kind: Type::Gauge, labels: none, sets: 1,
        names: &["Icmp_InErrors", "Icmp_InMsgs", "Icmp_OutMsgs", "IpExt_InOctets",
            "IpExt_OutOctets", "Ip_Forwarding", "TcpExt_ListenDrops", "TcpExt_ListenOverflows",
            "TcpExt_SyncookiesFailed", "TcpExt_TCPTimeouts", "Tcp_ActiveOpens", "Tcp_CurrEstab",
            "Tcp_InErrs", "Tcp_InSegs", "Tcp_OutRsts", "Tcp_OutSegs", "Tcp_PassiveOpens",
            "Tcp_RetransSegs", "Udp_InDatagrams", "Udp_InErrors", "Udp_NoPorts",
            "Udp_OutDatagrams"] },
];

/// The families of so many hosts, from a fixed seed.
pub(crate) fn families(hosts: usize) -> Vec<Family> {
    let mut random = fastrand::Rng::with_seed(7);
    let mut families = Vec::new();
    let mut per_host = 0;
    for part in &PARTS {
        for name in part.names {
            per_host += part.sets;
            families.push(family(part, name, hosts, &mut random));
        }
    }
    // The rest is of the kind there is most of.
    let missing = PER_HOST.checked_sub(per_host).expect("no more than that");
    for nth in 0..missing {
        let part =
            Part { prefix: "node_vmstat_", names: &[], kind: Type::Gauge, labels: none, sets: 1 };
        families.push(family(&part, &format!("numa_pages_migrated_{nth}"), hosts, &mut random));
    }
    families
}

fn family(part: &Part, name: &str, hosts: usize, random: &mut fastrand::Rng) -> Family {
    let name = format!("{}{name}", part.prefix);
    let series = (0..hosts * part.sets)
        .map(|nth| Series {
            host: nth / part.sets,
            labels: (part.labels)(nth % part.sets),
            value: value(&name, random),
        })
        .collect();
    let help = format!("Statistic {} of this host, as its kernel has it.", name.replace('_', " "));
    Family { name, kind: part.kind, help, series }
}

fn value(name: &str, random: &mut fastrand::Rng) -> f64 {
    match random.u32(..100) {
        0..38 => 0.0,
        _ if name.contains("seconds") => f64::from(random.u32(..200_000_000)) / 100.0,
        _ if name.contains("bytes") => (random.u64(..1 << 36) & !0xfff) as f64,
        _ => f64::from(random.u32(..) >> random.u32(..28)),
    }
}

/// Prometheus' text exposition format 0.0.4.
pub(crate) fn text(families: &[Family], hosts: usize) -> Vec<u8> {
    let mut page = String::new();
    for Family { name, kind, help, series } in families {
        head(&mut page, name, *kind, help);
        for series in series {
            sample(&mut page, name, series, hosts);
            writeln!(page, " {}", number(series.value)).expect(FITS);
        }
    }
    page.into_bytes()
}

/// OpenMetrics 1.0.
pub(crate) fn openmetrics(families: &[Family], hosts: usize) -> Vec<u8> {
    let mut page = String::new();
    for Family { name, kind, help, series } in families {
        let family = if *kind == Type::Counter { name.strip_suffix("_total") } else { None };
        head(&mut page, family.unwrap_or(name), *kind, help);
        for series in series {
            sample(&mut page, name, series, hosts);
            let number = number(series.value);
            let point = if number.contains(['.', 'e']) { "" } else { ".0" };
            writeln!(page, " {number}{point}").expect(FITS);
        }
    }
    page.push_str("# EOF\n");
    page.into_bytes()
}

const FITS: &str = "a String takes every text";

fn head(page: &mut String, name: &str, kind: Type, help: &str) {
    let kind = if kind == Type::Counter { "counter" } else { "gauge" };
    writeln!(page, "# HELP {name} {help}\n# TYPE {name} {kind}").expect(FITS);
}

fn sample(page: &mut String, name: &str, series: &Series, hosts: usize) {
    page.push_str(name);
    let host = (hosts > 1).then(|| ("node", format!("worker-{:03}", series.host)));
    let mut separator = '{';
    for (key, value) in series.labels.iter().chain(&host) {
        write!(page, "{separator}{key}=\"{value}\"").expect(FITS);
        separator = ',';
    }
    if separator == ',' {
        page.push('}');
    }
}

/// As Go prints numbers, and with it nearly every exporter: `4.096e+06` from a million on.
fn number(value: f64) -> String {
    if value < 1e6 {
        return value.to_string();
    }
    let text = format!("{value:e}");
    let (digits, exponent) = text.split_once('e').expect("asked for");
    format!("{digits}e+{exponent:0>2}")
}
