//! A capture of a run (`--param pcap=FILE`) is one that others read, retransmissions and all, and changes nothing.
//!
//! It is dissected twice: here, from the bytes of its packets, and by tshark where the machine has it.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use etherparse::{NetHeaders, PacketHeaders, TcpHeader, TransportHeader};
use pcap_file::pcapng::blocks::enhanced_packet::EnhancedPacketOption;
use pcap_file::pcapng::{Block, PcapNgReader};
use stormglass::LinkOptions;
use stormglass::harness::Status;
use stormglass::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::judging::{checks, evidence, report};

checks!(a_capture_of_a_lossy_run_is_dissected_and_changes_nothing);

const BYTES: usize = 300_000;
const PORT: u16 = 80;

/// The byte at a place of the file, of which no two places near each other have the same neighbours.
fn byte(place: usize) -> u8 {
    (place ^ place >> 8 ^ place >> 16) as u8
}

/// A file goes over a link that loses one packet in twenty.
#[stormglass::scenario(time = "10m", tags("selftest"))]
pub(crate) async fn loses_packets(sim: Sim) {
    sim.set_links(LinkOptions { loss_ppm: 50_000, mtu: Some(1_500), ..LinkOptions::default() });
    sim.node("server", |_| async {
        let listener = TcpListener::bind(("0.0.0.0", PORT)).await?;
        let (mut stream, _) = listener.accept().await?;
        stream.write_all(&(0..BYTES).map(byte).collect::<Vec<u8>>()).await?;
        stream.shutdown().await?;
        std::future::pending::<std::io::Result<()>>().await
    });
    let mut stream = TcpStream::connect(("server", PORT)).await.expect("it listens");
    let mut got = Vec::new();
    stream.read_to_end(&mut got).await.expect("every byte");
    assert_eq!(got.len(), BYTES);
}

fn a_capture_of_a_lossy_run_is_dissected_and_changes_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("run.pcapng");
    let plain = report("loses_packets", |_| ());
    let captured = report("loses_packets", |request| {
        request.params.insert("pcap".to_owned(), file.display().to_string());
    });
    assert_eq!(captured.status, Status::Pass, "{}", evidence(&captured));
    assert_eq!(captured.record.digest, plain.record.digest, "a capture changes nothing");
    let counters = &captured.record.counters;
    let told = |name: &str| counters.get(name).copied().unwrap_or_default();
    let told = Told {
        sent: told("net.segments_sent"),
        again: told("net.segments_retransmitted"),
        dropped: told("net.packets_dropped"),
    };
    assert!(told.sent > 200 && told.again > 5 && told.dropped > 5, "{counters:?}");
    dissect(&std::fs::read(&file).expect("the run wrote it"), &told);
    with_tshark(&file, &told);
}

/// What the run itself counted, in packets.
#[derive(Debug, PartialEq, Eq)]
struct Told {
    sent: u64,
    again: u64,
    dropped: u64,
}

/// One direction of the connection, as its packets show it. Places count from the opening segment, which has number 0.
#[derive(Default)]
struct Direction {
    /// The number of the opening segment.
    first: Option<u32>,
    /// The place after everything that was sent.
    sent_to: u32,
    /// The place after everything that the other side has acknowledged.
    acknowledged_to: u32,
    /// Which numbers the link has not dropped: where each piece begins, and the place after it.
    arrived: BTreeMap<u32, u32>,
    ended: bool,
}

impl Direction {
    /// Takes a segment, and says whether some of it had been sent before.
    fn take(&mut self, tcp: &TcpHeader, payload: &[u8], dropped: bool) -> bool {
        let first = *self.first.get_or_insert(tcp.sequence_number);
        let place = tcp.sequence_number.wrapping_sub(first);
        assert_eq!(tcp.syn, place == 0, "what opens comes first, and nothing else is there");
        for (at, &found) in payload.iter().enumerate() {
            assert_eq!(found, byte(place as usize - 1 + at), "the sequence number says which bytes these are");
        }
        let end = place + payload.len() as u32 + u32::from(tcp.syn) + u32::from(tcp.fin);
        if !dropped && end > place {
            let known = self.arrived.entry(place).or_default();
            *known = end.max(*known);
        }
        let again = place < self.sent_to && end > place;
        assert!(again || place == self.sent_to, "nothing is sent after a hole: {place} of {}", self.sent_to);
        self.sent_to = end.max(self.sent_to);
        self.ended |= tcp.fin;
        again
    }

    /// The place up to which nothing is missing at the other side.
    fn whole_to(&self) -> u32 {
        self.arrived.iter().fold(0, |whole, (&from, &to)| if from <= whole { to.max(whole) } else { whole })
    }
}

/// Reads every packet of a capture of [`loses_packets`].
fn dissect(bytes: &[u8], told: &Told) {
    let mut reader = PcapNgReader::new(bytes).expect("a section header");
    let mut seen = Told { sent: 0, again: 0, dropped: 0 };
    let (mut served, mut asked) = (Direction::default(), Direction::default());
    while let Some(block) = reader.next_block() {
        let Block::EnhancedPacket(packet) = block.expect("a well-formed block") else { continue };
        let dropped = packet
            .options
            .iter()
            .any(|option| matches!(option, EnhancedPacketOption::Comment(text) if text.contains("drops")));
        let headers = PacketHeaders::from_ip_slice(&packet.data).expect("an IP packet");
        let (Some(NetHeaders::Ipv4(ip, _)), Some(TransportHeader::Tcp(tcp))) = (headers.net, headers.transport) else {
            panic!("only TCP was spoken: {packet:?}")
        };
        let payload = headers.payload.slice();
        assert_eq!(ip.header_checksum, ip.calc_header_checksum());
        assert_eq!(Ok(tcp.checksum), tcp.calc_checksum_ipv4(&ip, payload));
        let (this, other) = if tcp.source_port == PORT { (&mut served, &mut asked) } else { (&mut asked, &mut served) };
        assert_eq!(tcp.ack, !tcp.syn || tcp.source_port == PORT, "all but what asks for a connection acknowledges");
        assert!(!tcp.rst);
        let again = this.take(&tcp, payload, dropped);
        if tcp.ack {
            let place = tcp.acknowledgment_number.wrapping_sub(other.first.unwrap_or_default());
            assert!(place <= other.whole_to(), "{place} is acknowledged, and of {} it has all", other.whole_to());
            assert!(place >= other.acknowledged_to, "no acknowledgement is taken back");
            other.acknowledged_to = place;
        }
        seen.sent += 1;
        seen.again += u64::from(again);
        seen.dropped += u64::from(dropped);
    }
    assert_eq!(&seen, told, "the capture and the run count the same");
    // The opening and the end take a number each.
    assert_eq!(served.whole_to() as usize, BYTES + 2);
    assert!(served.ended && served.acknowledged_to == served.sent_to);
}

/// How many packets of a capture tshark shows under a filter; `None`, said aloud, where the machine has no tshark.
fn count(file: &Path, filter: &str) -> Option<u64> {
    let checks =
        ["-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE", "-T", "fields", "-e", "frame.number"];
    match Command::new("tshark").arg("-r").arg(file).args(checks).args(["-Y", filter]).output() {
        Ok(output) => {
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            Some(String::from_utf8_lossy(&output.stdout).lines().count() as u64)
        }
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "tshark is not here ({error}): the capture was NOT checked with it");
            None
        }
    }
}

/// tshark guesses from its place between the two which segment is sent again, and why; it calls some of them out of order.
fn with_tshark(file: &Path, told: &Told) {
    let Some(tcp) = count(file, "tcp") else { return };
    assert_eq!(tcp, told.sent);
    let bad = "_ws.malformed || tcp.checksum.status == 0 || ip.checksum.status == 0 || tcp.analysis.lost_segment";
    assert_eq!(count(file, bad), Some(0));
    let shown = "tcp.analysis.retransmission || tcp.analysis.fast_retransmission || \
                 tcp.analysis.spurious_retransmission || tcp.analysis.out_of_order";
    assert_eq!(count(file, shown), Some(told.again));
    assert_eq!(count(file, "frame.comment contains \"drops\""), Some(told.dropped));
    assert_eq!(count(file, "tcp.flags.syn == 1 && tcp.flags.ack == 0").map(|opening| opening >= 1), Some(true));
    assert_eq!(count(file, "tcp.flags.reset == 1"), Some(0));
}
