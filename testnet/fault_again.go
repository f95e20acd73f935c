package testnet

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"path/filepath"

	"github.com/quic-go/quic-go"

	"example.org/hotline/crypto/keys"
	"example.org/hotline/hotline"
	"example.org/hotline/hotline/link"
)

// askAgain delivers every statement that XA holds XB's receipt for to every node of XB once more, as a node of XA would, and compares
// what comes with the receipt in XA's log. XA's nodes are stopped first: two processes with one key would take each other's place. It
// returns how many receipts came.
func (x *field) askAgain(ctx context.Context, l Logs) (int, error) {
	for _, n := range x.xa.Nodes {
		if err := n.Stop(); err != nil {
			return 0, err
		}
	}
	k, err := newKnocker(x.w, x.xa.Nodes[0])
	if err != nil {
		return 0, err
	}
	line := link.New(link.Config{Party: x.xa.Code, Node: x.xa.Nodes[0].Name, Host: k, Dialer: k})
	defer k.close()
	defer line.Close()
	line.SetPeers([]link.Peer{{Party: x.xb.Code, Nodes: x.w.Documents.Directory(x.xb.Code).Nodes}})
	asked := 0
	for _, e := range l[x.xa.Code] {
		r, ok := e.Content.(*hotline.Receipted)
		if !ok {
			continue
		}
		for i, n := range x.xb.Nodes {
			if err := x.knock(ctx, line, i, n, l[x.xa.Code], r); err != nil {
				return asked, err
			}
			asked++
		}
	}
	return asked, nil
}

// knock delivers one statement again by one path of the line, that to n, and compares the receipt.
func (x *field) knock(ctx context.Context, line *link.Line, path int, n *Node, log []Logged, r *hotline.Receipted) error {
	own := log[r.Index]
	sent := own.Content.(*hotline.Sent)
	q := &link.Question{Deliver: &link.Delivery{Statement: sent.Statement, Sender: hotline.MustMarshal(hotline.SenderEntryOf(own.Entry, sent)), Tender: r.Tender}}
	var receipt []byte
	err := until(ctx, "the receipt comes again from "+n.Name, func() error {
		a, err := line.Ask(ctx, x.xb.Code, path, false, q)
		if err == nil && a.Code != "" {
			err = fmt.Errorf("%s: %s", a.Code, a.Text)
		}
		if err == nil {
			receipt = a.Receipt
		}
		return err
	})
	if err == nil && !bytes.Equal(receipt, r.Receipt) {
		err = fmt.Errorf("%s answers %s with another receipt than before", n.Name, r.Statement.Short())
	}
	return err
}

// knocker stands in for one node of a party on the line: it says hello, asks, and takes nothing.
type knocker struct {
	w         *Network
	party     *Party
	cert      tls.Certificate
	transport *quic.Transport
	nonce     [16]byte
}

func newKnocker(w *Network, n *Node) (*knocker, error) {
	key, err := keys.Load(filepath.Join(n.keyDir(), keys.PurposeTLS+".key"), keys.PurposeTLS, []byte(Passphrase))
	if err != nil {
		return nil, err
	}
	k := &knocker{w: w, party: n.party}
	if k.cert, err = key.Certificate(); err != nil {
		return nil, err
	}
	if _, err := rand.Read(k.nonce[:]); err != nil {
		return nil, err
	}
	socket, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, err
	}
	k.transport = &quic.Transport{Conn: socket}
	return k, nil
}

func (k *knocker) close() {
	_ = k.transport.Close() // the process goes on to its end
	_ = k.transport.Conn.Close()
}

// Dial makes knocker a link.Dialer.
func (k *knocker) Dial(ctx context.Context, n hotline.Node) (*quic.Conn, error) {
	at, err := net.ResolveUDPAddr("udp", n.Addr)
	if err != nil {
		return nil, err
	}
	pin := func(peer keys.Public) error {
		if peer != n.Key {
			return errors.New("another key than the directory has")
		}
		return nil
	}
	return k.transport.Dial(ctx, at, keys.ClientTLS(k.cert, link.ALPN, pin), link.QUICConfig())
}

// Greeting and the rest make knocker a link.Host.
func (k *knocker) Greeting(context.Context, hotline.Party) *link.Hello {
	c := k.w.Documents.Convention()
	return &link.Hello{Convention: c.ID, ConventionVersion: c.Version, Directory: k.w.Documents.Directory(k.party.Code).Number, Nonce: k.nonce}
}

// Hello accepts the peer's.
func (k *knocker) Hello(hotline.Party, string, *link.Hello) *link.Answer {
	return &link.Answer{Time: now()}
}

// Deliver takes nothing.
func (k *knocker) Deliver(context.Context, hotline.Party, string, *link.Delivery) *link.Answer {
	return &link.Answer{Code: hotline.CodeBusy}
}

// Document takes nothing.
func (k *knocker) Document(context.Context, hotline.Party, []byte) *link.Answer {
	return &link.Answer{Code: hotline.CodeBusy}
}

// Count counts nothing.
func (k *knocker) Count(string, hotline.Party) {}
