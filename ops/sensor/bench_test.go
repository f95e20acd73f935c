package sensor

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"runtime/metrics"
	"strings"
	"testing"
	"time"
)

// benchSize is the size of the file that the benchmark reads.
const benchSize = 100 << 20

// writeFeed writes an EVE file such as a border sensor's, always the same for one seed: of a hundred lines some 88 are records of
// flows, names, pages and certificates, ten are alerts, one is statistics, and one is hostile or broken.
func writeFeed(path string, size int64, seed uint64) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 1<<20)
	r := rand.New(rand.NewPCG(seed, 1))
	at := time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)
	for written := int64(0); written < size; {
		at = at.Add(time.Duration(r.IntN(2000)) * time.Microsecond)
		n, err := w.WriteString(feedLine(r, at))
		if err != nil {
			return err
		}
		written += int64(n)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return f.Close()
}

func feedLine(r *rand.Rand, at time.Time) string {
	stamp, flow := at.Format("2006-01-02T15:04:05.000000-0700"), r.Uint64N(1<<53)
	inside, outside := fmt.Sprintf("198.51.100.%d", r.IntN(256)), fmt.Sprintf("203.0.113.%d", r.IntN(256))
	head := fmt.Sprintf(`{"timestamp":%q,"flow_id":%d,"in_iface":"eth0","event_type":`, stamp, flow)
	ends := fmt.Sprintf(`,"src_ip":%q,"src_port":%d,"dest_ip":%q,"dest_port":%d,"proto":"TCP"`, inside, 1024+r.IntN(60000), outside, []int{22, 25, 53, 80, 443, 502}[r.IntN(6)])
	switch n := r.IntN(100); {
	case n < 40:
		return head + `"flow"` + ends + fmt.Sprintf(`,"app_proto":"tls","flow":{"pkts_toserver":%d,"pkts_toclient":%d,"bytes_toserver":%d,"bytes_toclient":%d,"start":%q,"end":%q,"age":%d,"state":"closed","reason":"timeout","alerted":false},"tcp":{"tcp_flags":"1b","syn":true,"fin":true,"psh":true,"ack":true,"state":"closed"}}`+"\n",
			r.IntN(99), r.IntN(99), r.IntN(9999), r.IntN(99999), stamp, stamp, r.IntN(60))
	case n < 60:
		return head + `"dns"` + ends + fmt.Sprintf(`,"dns":{"type":"query","id":%d,"rrname":"host%d.example.net","rrtype":"A","tx_id":0,"opcode":0}}`+"\n", r.IntN(65536), r.IntN(5000))
	case n < 75:
		return head + `"http"` + ends + fmt.Sprintf(`,"tx_id":0,"http":{"hostname":"www%d.example.org","url":"\/path\/%d","http_user_agent":"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36","http_method":"GET","protocol":"HTTP/1.1","status":200,"length":%d}}`+"\n", r.IntN(500), r.Uint32(), r.IntN(99999))
	case n < 88:
		return head + `"tls"` + ends + fmt.Sprintf(`,"tls":{"subject":"CN=host%d.example.net","issuerdn":"C=XA, O=Authority, CN=Issuing %d","fingerprint":"%040x","sni":"host.example.net","version":"TLS 1.2","notbefore":%q,"notafter":%q}}`+"\n", r.IntN(900), r.IntN(9), r.Uint64(), stamp, stamp)
	case n < 98:
		return head + `"alert"` + ends + fmt.Sprintf(`,"alert":{"action":"allowed","gid":1,"signature_id":%d,"rev":3,"signature":"ET SCAN Example probe %d","category":"Attempted Information Leak","severity":2},"flow":{"pkts_toserver":1,"bytes_toserver":74,"start":%q},"payload":"%s","stream":0}`+"\n",
			2000000+r.IntN(40), r.IntN(40), stamp, strings.Repeat("QUJD", r.IntN(200)))
	case n < 99:
		return head + `"stats","stats":{"uptime":5,"capture":{"kernel_packets":1,"kernel_drops":0},"decoder":{` + strings.Repeat(`"x":1,`, 200) + `"y":0}}}` + "\n"
	}
	return []string{"not JSON\n", "\n", head + `"alert","event_type":"alert"}` + "\n", head + "\"alert\"" + ends + ",\"alert\":{\"signature\":\"\xff\"}}\n"}[r.IntN(4)]
}

// heapWatch notes the largest heap in use while a file is read through it.
type heapWatch struct {
	io.Reader
	peak   uint64
	sample []metrics.Sample
}

func (h *heapWatch) Read(b []byte) (int, error) {
	metrics.Read(h.sample)
	h.peak = max(h.peak, h.sample[0].Value.Uint64())
	return h.Reader.Read(b)
}

// BenchmarkEVE reads a file of 100 MiB on one core, and tells beside MB/s the peak of the heap and what became of the lines.
func BenchmarkEVE(b *testing.B) {
	path := filepath.Join(b.TempDir(), "eve.json")
	if err := writeFeed(path, benchSize, 7); err != nil {
		b.Fatal(err)
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	territory := territoryXA(b)
	watch := &heapWatch{sample: []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}}
	var report Report
	b.SetBytes(benchSize)
	b.ReportAllocs()
	for b.Loop() {
		f, err := os.Open(path)
		if err != nil {
			b.Fatal(err)
		}
		watch.Reader = f
		if report, err = ReadSuricata(watch, territory, Options{}); err != nil {
			b.Fatal(err)
		}
		if err := f.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(watch.peak)/(1<<20), "peak-heap-MiB")
	for name, n := range map[string]int{"lines": report.Lines, "alerts": report.Events, "skipped": report.Skipped, "broken": report.Broken,
		"merged": report.Merged, "hits": len(report.Hits)} {
		b.ReportMetric(float64(n), name)
	}
}
