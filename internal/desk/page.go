package desk

import (
	"net/http"
	"time"

	"github.com/keybearer/keybearer"
)

// mostLines is how much of the log is shown.
const mostLines = 50

// outcomeOK is the audit's word for what was let through.
const outcomeOK = "ok"

// page shows the connections, and what can be connected.
func (d *Desk) page(w http.ResponseWriter, r *http.Request) {
	all, err := d.cfg.Home.Connections(r.Context())
	if err != nil {
		d.failed(w, r, err)
		return
	}
	offers, err := d.cfg.Home.Offers(r.Context())
	if err != nil {
		d.failed(w, r, err)
		return
	}
	p := deskPage{Notice: d.takeNotice(), Pending: d.pending()}
	last, err := d.cfg.Home.Events(r.Context(), keybearer.EventFilter{Action: keybearer.ActionInject, Limit: 1})
	p.Logged = err != nil || len(last) > 0
	for i := range all {
		p.Cards = append(p.Cards, card{Connection: &all[i], Several: 1 < countOf(all, all[i].Ref.Provider)})
	}
	for _, o := range offers {
		if o.Installed {
			p.Installed = append(p.Installed, o)
		} else {
			p.Bundled = append(p.Bundled, o)
		}
	}
	d.views.render(w, http.StatusOK, "desk", p)
}

func countOf(all []Connection, provider keybearer.ProviderID) (n int) {
	for i := range all {
		if all[i].Ref.Provider == provider {
			n++
		}
	}
	return n
}

// log shows the last uses of connections, the latest first.
func (d *Desk) log(w http.ResponseWriter, r *http.Request) {
	events, err := d.cfg.Home.Events(r.Context(), keybearer.EventFilter{Action: keybearer.ActionInject, Limit: mostLines})
	if err != nil {
		d.cfg.Log.Error("the log cannot be read", "error", err)
		d.views.render(w, http.StatusOK, "log", logPage{Away: true})
		return
	}
	p := logPage{Lines: make([]line, len(events))}
	now := d.cfg.Now()
	for i := range events {
		p.Lines[i] = lineOf(&events[i], now)
	}
	d.views.render(w, http.StatusOK, "log", p)
}

// line is a line of the log.
type line struct {
	At, Time                   string // for programs, and for people
	Run, Method, Host, Path    string
	Status, Received, Provider string
	Times                      int64
	Refused                    bool
	Reason                     string
}

func lineOf(e *keybearer.RecordedEvent, now time.Time) line {
	l := line{
		At: e.Time.UTC().Format(time.RFC3339), Time: e.Time.In(now.Location()).Format(time.TimeOnly),
		Run: e.Request.Run, Method: e.Request.Method, Host: e.Request.Host, Path: e.Request.Path,
		Provider: string(e.Provider), Times: e.Times, Refused: e.Outcome != outcomeOK, Reason: e.Reason,
	}
	if now.Sub(e.Time) > 12*time.Hour {
		l.Time = e.Time.In(now.Location()).Format("2 Jan 15:04")
	}
	if l.Run == "" {
		l.Run = e.Actor
	}
	if e.Request.Status != 0 {
		l.Status, l.Received = count(e.Request.Status), size(e.Request.Received)
	}
	if l.Refused && l.Reason == "" {
		l.Reason = e.Outcome
	}
	return l
}

func (d *Desk) say(notice string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.notice = notice
}

func (d *Desk) takeNotice() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	notice := d.notice
	d.notice = ""
	return notice
}
