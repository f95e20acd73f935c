package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"example.org/hotline/crypto/keys"
	"example.org/hotline/crypto/seal"
	"example.org/hotline/hotline"
	"example.org/hotline/hotline/desk"
)

// letter is what an officer says, before it has a header.
type letter struct {
	kind        hotline.Kind
	status      hotline.Status
	precedence  hotline.Precedence
	tlp         hotline.TLP // 0: AMBER
	to          []hotline.Party
	notify      []hotline.Party
	in          *hotline.CaseID
	re          *hotline.ID
	detected    hotline.Time
	assessed    hotline.Time
	verdict     hotline.Verdict
	answers     []bool // of an assessment, to the decision questions
	always      uint64 // of an assessment: number of the always-notifiable item; 0: none
	reason      hotline.Code
	disposition hotline.Disposition
	cause       uint64           // of a late reason
	second      *hotline.Officer // who signs after this officer; nil: nobody
	body        hotline.Body
}

// compose makes the statement of a letter and signs it with this officer's key: a draft if a second officer is named. The body is
// sealed to the own party, the addressees and those to be notified, with the sealing keys of verified directories.
func (s *seat) compose(ctx context.Context, l *letter) ([]byte, error) {
	if err := l.body.Validate(); err != nil {
		return nil, typed(err)
	}
	if slices.Contains(l.to, s.party()) || slices.Contains(l.notify, s.party()) {
		return nil, refused(hotline.CodeWrongAddressee, "name the others", "%s is your own party", s.party())
	}
	now := s.time()
	h := hotline.Header{Kind: l.kind, Status: l.status, Precedence: l.precedence, TLP: l.tlp, From: s.party(), To: sortedParties(l.to),
		Authors: []keys.ID{s.self.Key.ID()}, Convention: s.docs.Convention().ID, ConventionVersion: s.convention(now).Version,
		Directory: s.page().Number, Case: l.in, Re: l.re, Issued: now, Detected: l.detected, Assessed: l.assessed,
		Verdict: l.verdict, Notify: sortedParties(l.notify), Answers: l.answers, Always: l.always,
		Reason: l.reason, Disposition: l.disposition, Cause: l.cause}
	if h.TLP == 0 {
		h.TLP = hotline.TLPAmber
	}
	if l.second != nil {
		h.Authors = append(h.Authors, l.second.Key.ID())
	}
	payload, err := hotline.Marshal(l.body)
	if err != nil {
		return nil, err
	}
	if l.kind.Rules().Delivered {
		if h.Peer, err = s.headOf(ctx, h.To); err != nil {
			return nil, err
		}
	}
	if l.kind.Rules().Sealed {
		if payload, err = s.seal(&h, payload); err != nil {
			return nil, err
		}
	}
	return hotline.Sign(h, payload, s.key)
}

// typed is the failure of what this officer has given: there is nobody from whom to get it again.
func typed(err error) error {
	f := explain(err)
	if f.Code == string(hotline.CodeMalformed) {
		f.Next = "correct what you gave and try again"
	}
	return f
}

// headOf returns the newest cosigned head of an addressee's log that the group knows. It proves that the statement is not older.
func (s *seat) headOf(ctx context.Context, to []hotline.Party) (*hotline.PeerHead, error) {
	r, err := s.do(ctx, &desk.Request{Status: &desk.StatusRequest{}})
	if err != nil {
		return nil, err
	}
	if r.Status == nil {
		return nil, fmt.Errorf("%w: no status", desk.ErrAnswer)
	}
	for _, p := range r.Status.Peers {
		if slices.Contains(to, p.Party) && p.Head != nil {
			return p.Head, nil
		}
	}
	return nil, nil // none is known: the header may go without
}

// seal encrypts a body and sets the header's commitment.
func (s *seat) seal(h *hotline.Header, body []byte) ([]byte, error) {
	readers := []seal.Recipient{{Party: string(h.From), Key: s.page().Sealing}}
	for _, p := range sortedParties(slices.Concat(h.To, h.Notify)) {
		page := s.docs.Directory(p)
		if page == nil || s.docs.Convention().Member(p) == nil {
			return nil, refused(hotline.CodeWrongAddressee, "have its directory published first", "there is no directory of %s here", p)
		}
		if c := s.docs.Conventions[h.ConventionVersion-1]; c.Observes(p) {
			return nil, refused(hotline.CodeObserver, "leave it out", "%s only observes under version %d of the convention", p, c.Version)
		}
		readers = append(readers, seal.Recipient{Party: string(p), Key: page.Sealing})
	}
	payload, commitment, err := seal.SealBody(body, hotline.BodyContext(h.Convention, h.From, h.Status), readers)
	h.Commitment = commitment
	return payload, err
}

// stillOf keeps of a statement's addressees those to whom something can be told by the version in force (SPEC §6.3 rule 12): what is
// said about it goes to these. Where nobody is left it keeps all, and the refusal names who left or only observes.
func (s *seat) stillOf(to []hotline.Party) []hotline.Party {
	c := s.convention(s.time())
	still := slices.DeleteFunc(slices.Clone(to), func(p hotline.Party) bool { return c.Member(p) == nil || c.Observes(p) })
	if len(still) == 0 {
		return to
	}
	return still
}

func sortedParties(list []hotline.Party) []hotline.Party {
	if len(list) == 0 {
		return nil
	}
	list = slices.Clone(list)
	slices.Sort(list)
	return slices.Compact(list)
}

// unsettledDir holds, below the home directory, submissions whose outcome is not known yet.
const unsettledDir = "unsettled"

// submit hands a statement in that all its authors have signed. It stands on this machine's disk until the group has said what
// became of it, so that asking again is asking with the same id.
func (s *seat) submit(ctx context.Context, raw []byte, adopts string) (*desk.SubmitView, error) {
	st, err := hotline.Parse(raw)
	if err != nil {
		return nil, err
	}
	req := &desk.SubmitRequest{Statement: raw, Adopts: adopts}
	path, err := s.keep(st.ID, req)
	if errors.Is(err, fs.ErrExist) { // it was submitted before, without a known outcome
		return s.again(ctx, path)
	}
	if err != nil {
		return nil, err
	}
	return s.settle(ctx, path, req, false)
}

func (s *seat) keep(id hotline.ID, r *desk.SubmitRequest) (string, error) {
	dir := filepath.Join(s.home, unsettledDir)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	path := filepath.Join(dir, id.String())
	return path, keys.Write(path, hotline.MustMarshal(r))
}

// settle submits what stands at path, and forgets it once the outcome is known. before says that it was submitted before: it may
// stand in the ledger already, and only what the ledger says settles it. That a node was busy, or none was reached, does not.
func (s *seat) settle(ctx context.Context, path string, req *desk.SubmitRequest, before bool) (*desk.SubmitView, error) {
	r, err := s.do(ctx, &desk.Request{Submit: req})
	if err == nil && r.Submit == nil {
		err = hotline.Refuse(hotline.CodeUnknown, "the node answers without the place of the statement")
	}
	if err != nil && before && !desk.Decided(err) && hotline.CodeOf(err) != hotline.CodeUnknown {
		err = hotline.Refuse(hotline.CodeUnknown, "%s", printable(err.Error()))
	}
	if hotline.CodeOf(err) == hotline.CodeUnknown {
		return nil, err
	}
	if forget := os.Remove(path); forget != nil {
		fmt.Fprintf(s.err, "hotline: %v; remove it by hand\n", forget)
	}
	if err != nil {
		return nil, err
	}
	return r.Submit, nil
}

// file submits a statement and prints where it stands, or hands a draft to the second officer.
func (s *seat) file(ctx context.Context, raw []byte, adopts string) error {
	st, err := hotline.Parse(raw)
	if err != nil {
		return err
	}
	if !st.Complete() {
		return s.draft(ctx, st)
	}
	v, err := s.submit(ctx, raw, adopts)
	if err != nil {
		return err
	}
	return s.show(plain(v), func(w io.Writer) { s.sheet(w).place(st, v) })
}

func (s *seat) draft(ctx context.Context, st *hotline.Statement) error {
	if _, err := s.do(ctx, &desk.Request{Draft: &desk.DraftRequest{Statement: st.Raw}}); err != nil {
		return err
	}
	waits := s.page().Officer(st.Header.Authors[st.Signed])
	return s.show(map[string]any{"draft": st.ID.String(), "waits_for": waits.Name}, func(w io.Writer) {
		fmt.Fprintf(w, "draft %s of %s waits for %s: hotline release %s  %s\n", st.ID.Short(), st.Header.Kind, waits.Name, st.ID.Short(), s.sheet(w).signed(st.Header.Status))
	})
}

// place prints where a statement stands that was submitted.
func (p *sheet) place(st *hotline.Statement, v *desk.SubmitView) {
	verb := "is entry"
	if v.Existing {
		verb = "was entry"
	}
	fmt.Fprintf(p.w, "%s %s %s %d of the log, %s  %s\n", st.Header.Kind, v.ID, verb, v.Index, clock(v.Time), p.signed(st.Header.Status))
	for _, q := range v.Sequences {
		fmt.Fprintf(p.w, "  tendered to %s as number %d\n", q.To, q.N)
	}
}

// second finds the officer who is to sign after this one, in the own directory.
func (s *seat) second(name string) (*hotline.Officer, error) {
	if name == "" {
		return nil, nil
	}
	o := s.page().OfficerByName(name)
	if o == nil {
		return nil, refused(hotline.CodeUnknownKey, "see hotline documents for the names", "directory %d of %s holds no officer %s", s.page().Number, s.party(), name)
	}
	if o.Name == s.self.Name {
		return nil, refused(hotline.CodeSameOfficer, "name another officer", "%s signs already", name)
	}
	return o, nil
}
