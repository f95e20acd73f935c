package hotline

import "time"

// Every bound of the protocol and of the program stands in this file, in the
// groups of SPEC §11. Sizes are bytes, durations are time.Duration, times on
// the wire are Unix milliseconds.

// Bounds fixed by the protocol: all parties must agree on them.
const (
	MaxStatement     = 40 << 10             // a whole COSE_Sign, signatures included
	MaxDocument      = MaxStatement         // a convention or a directory, which are statements
	MaxEntry         = 60 << 10             // one leaf; a C2SP entry bundle carries at most 65535
	MaxAssessment    = MaxStatement - 1<<10 // a whole assessment: an automatic alert embeds it
	MaxReceipt       = 4 << 10              // a tender or a receipt
	MaxOwnCheckpoint = 512                  // a checkpoint with the signature of its own log alone
	MaxAnchor        = 1 << 10              // a checkpoint with its own signature and MaxAnchorLines more
	MaxFrame         = 56 << 10             // one message of a link, padding included
	MaxNesting       = 8
	MaxArrayItems    = 1024
	MaxMapPairs      = 64
	MaxAuthors       = MaxParties // a convention bears one signature per party
	MaxAddressees    = 24         // each costs some 1.2 KiB in a sealed body
	MaxOfficers      = 128        // per directory
	MaxNodes         = 5
	MaxParties       = 96       // all of them sign: no more than seal.MaxSignatures, and within MaxDocument
	MaxText          = 16 << 10 // free text in a body
	MaxAlertWords    = 200      // ACP 121: FLASH and IMMEDIATE at most 200 words
	MaxRungs         = 16
	MaxTargets       = 16
	MaxRotas         = 16
	MaxWatches       = MaxArrayItems // of one rota
	MaxChannels      = 8             // of one officer in a ladder
	MaxZoneName      = 64
	MaxIndicators    = 64
	MaxNetworks      = 64
	MaxRoleName      = 32
	MaxForkProof     = 4 << 20 // a fork proof (SPEC §7.11)
	MaxForkDocuments = 256     // of a fork proof: versions of the convention, and directories
	MaxAnchorLines   = 3       // cosignatures: two of them are a third party's, whoever the addressee is
	MaxSequenceGap   = 4096    // beyond watermark + this a receiver answers busy
)

// Rules of time (SPEC §6.1).
const (
	LastTime        = 253_402_300_799_999  // Unix milliseconds: the end of the year 9999; no clock is right beyond, and sums could overflow
	MaxClockStep    = 30 * time.Second     // committed time may pass majority-backed time by this
	MaxClockSkew    = 2 * time.Second      // readings of a majority agree within this
	SkewMark        = 5 * time.Minute      // issued time further from entry time than this marks the statement
	SubmitWindow    = 24 * time.Hour       // own statements issued earlier than this are refused
	MaxRotaSpan     = 366 * 24 * time.Hour // for which a ladder writes out who stands where
	MinRepeatPause  = 10 * time.Second     // a rung pages again no sooner
	WitnessInterval = time.Hour            // between two entries that name the checkpoints cosigned
	AnchorPause     = 5 * time.Second      // between the times of two anchors in one log
	AnchorRefresh   = 10 * time.Second     // while there is work, the newest checkpoint is cosigned again
	DirectoryMemory = 64                   // numbers of one party's directory kept for statements in flight
	DirectoryBurst  = 2 * DirectoryMemory  // pages of one other party taken at once
	DirectoryPace   = 10 * time.Minute     // beyond, one more each
)

// Working state of one group.
const (
	MaxTriage       = 1024  // sensor hits that wait
	MaxTriageOfOne  = 128   // of them, handed in by one reporter
	MaxSettledHits  = 1024  // keys of hits that were adopted or dismissed, oldest forgotten first
	MaxDrafts       = 256   // statements that wait for a second signature
	MaxDraftsOfOne  = 64    // of them, with one first author
	MaxRefusals     = 1024  // remembered by hash, oldest forgotten first
	MaxOutbox       = 8192  // unreceipted statements per peer; FlashReserve of them for FLASH alone
	MaxAwaiting     = 65536 // statements per peer that wait for a receipt or an acknowledgement
	FlashReserve    = 1024
	MaxOpenCases    = 65536
	MaxCasesOfOne   = 2048                // of them, opened by one peer
	MaxInCase       = 4096                // statements of one peer in one case, beyond which no more of it is taken into it
	MaxUnanswered   = 4096                // statements of one peer that nobody here has acknowledged; FlashReserve of them for FLASH alone
	AnswerPlaces    = 2048                // of MaxOutbox, which the group's answers to what the peer sent may take
	MaxGroupAnswers = 1024                // rejects and line replies to one peer that wait for a place in its outbox
	MaxLate         = 4096                // overdue duties of one case or line that may still be explained
	SettledMemory   = 30 * 24 * time.Hour // a case with nothing open is remembered this long
	MaxOwnCommand   = MaxStatement + MaxReceipt + 8<<10
	MaxCommandBatch = 256
)

// Link (between parties) and desk.
const (
	LinkRate           = 200 // frames per second and peer, before a signature is checked
	DocumentRate       = 2   // of them, documents looked at a second by one node
	DocumentBurst      = 256 // at once: every page and version that a new member needs
	LinkBurst          = 1000
	LinkStreams        = 256              // per connection
	LinkInFlight       = 64               // deliveries to one peer at a time, FLASH has FlashInFlight more
	FlashInFlight      = 16               // lane that no other precedence may take
	LinkKeepAlive      = 10 * time.Second //
	LinkIdle           = 35 * time.Second // a silent peer is noticed after this
	LinkExchange       = 10 * time.Second // one question and its answer
	LinkRedialMax      = 15 * time.Second
	DeskStreams        = 64
	DeskExchange       = 30 * time.Second
	MaxDeskMessage     = 256 << 10
	MaxWatchers        = 64
	MaxDeskInbox       = 100 // items of one page
	MaxDeskDuties      = 200 // in one status, most urgent first
	MinIDDigits        = 8   // hexadecimal digits by which a person may name a statement
	DeskHandshake      = 5 * time.Second
	DeskIdle           = 20 * time.Second // a silent machine or node is noticed after this
	DeskKeepAlive      = 5 * time.Second
	DeskDeaf           = 2 * time.Second        // a node that has acknowledged no packet of a request by then is left for the next
	DeskRetry          = 500 * time.Millisecond // between rounds while the group has no leader
	MaxDeskConnections = 256
	ExportChunk        = 128 << 10
	GroupExchange      = 10 * time.Second
	HistoryChunk       = 256 << 10
)

// Record service (SPEC §7.9).
const (
	RecordRate           = 50 // requests a second, of all askers together
	RecordBurst          = 400
	MaxRecordConnections = 64
	MaxRecordHeader      = 4 << 10
	RecordExchange       = 10 * time.Second     // one request and its answer
	RecordIdle           = 30 * time.Second     // a connection without requests
	RecordFresh          = 2 * time.Second      // a checkpoint may be so old before a newer one is looked for
	RecordKept           = 365 * 24 * time.Hour // how long a cache may keep a tile: it never changes
)
