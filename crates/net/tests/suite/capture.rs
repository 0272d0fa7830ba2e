//! The capture of a run is a file that others can read, and it holds what happened.

use std::future::poll_fn;
use std::io::Write;
use std::process::Command;
use std::sync::{Arc, Mutex};

use etherparse::{NetHeaders, PacketHeaders, TransportHeader};
use pcap_file::DataLink;
use pcap_file::pcapng::{Block, PcapNgReader};
use stormglass_kernel::*;
use stormglass_net::udp::UdpSocket;
use stormglass_net::{Counters, LinkOptions};

use crate::common::*;

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no writer panics").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Streams over a bad link, datagrams in fragments, a closed port of each kind. Gives the file, the counters, the digest.
fn stormy(captured: bool) -> (Vec<u8>, Counters, Digest) {
    let links = LinkOptions {
        loss_ppm: 80_000,
        duplicate_ppm: 30_000,
        corrupt_ppm: 30_000,
        mtu: Some(1_500),
        ..LinkOptions::constant(ms(1))
    };
    let mut simulation = simulation_with(Options::new(9), 2, links);
    program(&mut simulation, 1, || echo(80));
    program(&mut simulation, 2, || async {
        let socket = UdpSocket::bind(([0, 0, 0, 0], 5_300).into()).expect("a free port");
        while let Ok((bytes, from)) = poll_fn(|cx| socket.poll_recv(cx, false)).await {
            poll_fn(|cx| socket.poll_send(cx, &bytes, Some(from))).await.expect("room");
        }
    });
    let file = Shared::default();
    let sink = file.clone();
    let report = simulation.run(async move {
        if captured {
            net(|n| n.capture(Box::new(sink))).expect("a header");
        }
        boot(1);
        boot(2);
        sleep(ms(1)).await;
        let stream = std::rc::Rc::new(connect(address(1, 80)).await.expect("a listener"));
        let writer = std::rc::Rc::clone(&stream);
        spawn_local(async move { write_all(&writer, &pattern(100_000)).await });
        assert!(read_exact(&stream, 100_000).await.expect("open") == pattern(100_000));
        stream.shutdown_write().expect("open");
        assert_eq!(read(&stream, 1).await.expect("the end"), b"");
        assert!(connect(address(1, 81)).await.is_err());
        let socket = UdpSocket::bind(address(0, 0)).expect("a free port");
        for to in [5_300, 5_300, 5_300, 5_301, 5_301] {
            poll_fn(|cx| socket.poll_send(cx, &pattern(5_000), Some(address(2, to)))).await.expect("room");
        }
        sleep(secs(5)).await;
        assert_eq!(net(|n| n.capture_problem()), None);
        net(|n| n.totals())
    });
    let bytes = file.0.lock().expect("no writer panics").clone();
    (bytes, report.outcome.expect("the scenario ends by itself"), report.digest)
}

/// The ones' complement sum of `bytes` (RFC 1071).
fn sum(parts: &[&[u8]]) -> u16 {
    let mut sum = 0_u64;
    for part in parts {
        for pair in part.chunks(2) {
            sum += u64::from(pair[0]) << 8 | u64::from(pair.get(1).copied().unwrap_or(0));
        }
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

#[test]
fn a_capture_changes_nothing_and_holds_every_packet_with_right_checksums() {
    let (file, counters, digest) = stormy(true);
    assert_eq!(stormy(false).2, digest);
    assert_eq!(stormy(true).0, file, "the same run, the same bytes");
    let mut reader = PcapNgReader::new(&file[..]).expect("a section header");
    let (mut names, mut segments, mut resets, mut places) = (Vec::new(), 0, 0, std::collections::BTreeMap::new());
    let (mut last, mut fragments, mut unreachable, mut dropped) = (std::time::Duration::ZERO, 0, 0, 0);
    while let Some(block) = reader.next_block() {
        let packet = match block.expect("a well-formed block") {
            Block::InterfaceDescription(interface) => {
                assert_eq!(interface.linktype, DataLink::RAW);
                names.push(format!("{:?}", interface.options[0]));
                continue;
            }
            Block::EnhancedPacket(packet) => packet,
            other => panic!("{other:?}"),
        };
        assert!(packet.timestamp >= last);
        last = packet.timestamp;
        dropped += usize::from(!packet.options.is_empty());
        let headers = PacketHeaders::from_ip_slice(&packet.data).expect("an IP packet");
        let Some(NetHeaders::Ipv4(ip, _)) = &headers.net else { panic!("no IPv4") };
        assert_eq!(sum(&[&packet.data[..20]]), 0xffff, "IP's checksum");
        assert_eq!(usize::from(ip.total_len), packet.data.len());
        let content = &packet.data[20..];
        let length = (content.len() as u16).to_be_bytes();
        let pseudo = [&ip.source[..], &ip.destination, &[0, ip.protocol.0], &length];
        let whole = sum(&[&pseudo.concat(), content]);
        match &headers.transport {
            Some(TransportHeader::Tcp(tcp)) => {
                segments += 1;
                resets += u64::from(tcp.rst);
                assert!(packet.data.len() <= 1_500);
                assert_eq!(whole, 0xffff, "TCP's checksum");
                if tcp.psh {
                    *places.entry((ip.source, tcp.source_port, tcp.sequence_number)).or_insert(0_u64) += 1;
                }
            }
            Some(TransportHeader::Udp(_)) => assert_eq!(whole, 0xffff, "UDP's checksum"),
            Some(TransportHeader::Icmpv4(_)) => {
                unreachable += 1;
                assert_eq!(sum(&[content]), 0xffff, "ICMP's checksum");
            }
            None => fragments += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(names, [r#"IfName("driver")"#, r#"IfName("n1")"#, r#"IfName("n2")"#]);
    assert_eq!((segments, resets), (counters.segments_sent, counters.resets));
    assert!(unreachable > 0 && fragments >= 5 * 4 && dropped > 10, "{unreachable} {fragments} {dropped}");
    // A place in the stream that was sent twice was sent again.
    let again: u64 = places.values().map(|n| n - 1).sum();
    assert!(again > 5 && again <= counters.segments_retransmitted, "{again} of {}", counters.segments_retransmitted);
}

/// Runs tshark on a file, if this machine has it.
fn tshark(file: &std::path::Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new("tshark").arg("-r").arg(file).args(arguments).output();
    match output {
        Ok(output) => {
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            Some(String::from_utf8(output.stdout).expect("text"))
        }
        Err(error) => {
            // The harness swallows what tests print; this is meant to be seen.
            let _ = writeln!(std::io::stderr(), "tshark is not here ({error}): the capture was NOT checked with it");
            None
        }
    }
}

#[test]
fn tshark_dissects_a_capture_without_complaint() {
    let (bytes, counters, _) = stormy(true);
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(&bytes).expect("space");
    let checks = ["-o", "tcp.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE"];
    let count = |filter: &str| {
        let all = [&checks[..], &["-Y", filter, "-T", "fields", "-e", "frame.number"]].concat();
        tshark(file.path(), &all).map(|text| text.lines().count() as u64)
    };
    let Some(tcp) = count("tcp && !icmp") else { return };
    assert_eq!(tcp, counters.segments_sent);
    let bad = "_ws.malformed || tcp.checksum.status == 0 || udp.checksum.status == 0 || ip.checksum.status == 0 || icmp.checksum.status == 0";
    assert_eq!(count(bad), Some(0));
    assert_eq!(count("tcp.flags.syn == 1 && tcp.flags.ack == 0 && tcp.dstport == 80").map(|n| n >= 1), Some(true));
    assert_eq!(count("tcp.flags.reset == 1"), Some(counters.resets));
    let again = count(
        "tcp.analysis.retransmission || tcp.analysis.fast_retransmission || tcp.analysis.spurious_retransmission || tcp.analysis.out_of_order",
    );
    assert!(again.is_some_and(|n| n > 5), "{again:?} of {}", counters.segments_retransmitted);
    assert_eq!(count("tcp.analysis.ack_lost_segment || tcp.analysis.lost_segment"), Some(0));
    assert!(count("ip.fragments").is_some_and(|n| n >= 5));
    assert!(count("icmp.type == 3 && icmp.code == 3").is_some_and(|n| n > 0));
    let names = tshark(file.path(), &["-T", "fields", "-e", "frame.interface_name"]).unwrap_or_default();
    assert!(names.lines().all(|name| ["driver", "n1", "n2"].contains(&name)));
}
