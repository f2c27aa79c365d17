//! Subscriptions: how one begins, and how it ends.

use tidewire_model::{EntityType, Offset};
use tidewire_protocol::{
    Class, RequestError, RequestId, ServerMessage, Subscribe, SubscribeResult, Subscribed,
    Unsubscribe, Unsubscribed, Want,
};

use super::resume::{Beginning, Standing, beginning};
use super::{Asked, Hub};
use crate::connection::feed::{Feed, FeedState, Flow};
use crate::connection::outbox::Item;
use crate::connection::{Phase, Waiting};
use crate::{ConnectionId, Output};

impl Hub {
    pub(super) fn on_subscribe(&mut self, id: ConnectionId, subscribe: Subscribe) {
        let Subscribe {
            id: request,
            entity_type,
            want,
            resume,
        } = subscribe;
        let most = self.settings.limits.subscriptions;
        let Some(client) = self.client(id) else {
            return;
        };
        if client.feeds.contains_key(&entity_type) {
            return self.refuse_subscribe(id, request, ("held", Class::Permanent), None);
        }
        if client.feeds.len() >= most {
            self.counts.limited += 1;
            return self.refuse_subscribe(
                id,
                request,
                ("too_many_subscriptions", Class::Permanent),
                None,
            );
        }
        let Some(view) = self.view(id, &entity_type) else {
            return self.refuse_subscribe(id, request, ("forbidden", Class::Permanent), None);
        };
        let standing = Standing {
            epoch: &self.epoch,
            view: &view,
            floor: self.streams.floor(&entity_type),
            head: self.streams.head(&entity_type),
            replay_commits: self.settings.replay_commits,
        };
        let begins = beginning(resume.as_ref(), standing);
        // Attached before anything is answered, so that no commit falls between.
        self.streams.attach(&entity_type, id);
        let key = self.next_number();
        let Some(client) = self.client(id) else {
            return;
        };
        let feed = Feed {
            key,
            request,
            want,
            view,
            state: FeedState::InLine,
        };
        client.feeds.insert(entity_type.clone(), feed);
        match (begins, resume) {
            (Beginning::Resume, Some(resume)) => {
                self.counts.resumed += 1;
                let next = FeedState::Flowing(Flow::after(resume.offset));
                self.answer_subscribed(
                    id,
                    &entity_type,
                    SubscribeResult::Resumed,
                    resume.offset,
                    next,
                );
            }
            (Beginning::Journal, Some(resume)) => {
                let ticket = self.ask_journal(id, &entity_type, resume.offset);
                self.set_feed(id, &entity_type, FeedState::Replaying { ticket, resume });
            }
            (begins, _) => {
                if let Beginning::Anew(Some(why)) = begins {
                    self.refuse_resume(id, &entity_type, why);
                }
                self.begin_anew(id, &entity_type);
            }
        }
    }

    /// Begins a subscription with a snapshot, or at the head, as the client wants.
    pub(super) fn begin_anew(&mut self, id: ConnectionId, entity_type: &EntityType) {
        let head = self.streams.head(entity_type);
        let Some(client) = self.client(id) else {
            return;
        };
        let Some(feed) = client.feeds.get_mut(entity_type) else {
            return;
        };
        match feed.want {
            Want::Changes => {
                let next = FeedState::Flowing(Flow::after(head));
                self.answer_subscribed(id, entity_type, SubscribeResult::Now, head, next);
            }
            Want::Snapshot => {
                feed.state = FeedState::InLine;
                client.snapshot_line.push(entity_type.clone());
                self.open_snapshots(id);
            }
        }
    }

    /// Answers a subscription; what follows begins when the answer goes out.
    pub(super) fn answer_subscribed(
        &mut self,
        id: ConnectionId,
        entity_type: &EntityType,
        result: SubscribeResult,
        offset: Offset,
        next: FeedState,
    ) {
        let (epoch, head) = (self.epoch.clone(), self.streams.head(entity_type));
        let Some(feed) = self
            .client(id)
            .and_then(|client| client.feeds.get_mut(entity_type))
        else {
            return;
        };
        feed.state = FeedState::Answered(Box::new(next));
        let key = feed.key;
        let message = ServerMessage::Subscribed(Subscribed {
            id: feed.request,
            entity_type: entity_type.clone(),
            result,
            epoch,
            view: feed.view.clone(),
            offset,
            head,
        });
        if let Some(frame) = self.encode(id, &message) {
            self.push(
                id,
                Item::Attach {
                    frame,
                    entity_type: entity_type.clone(),
                    key,
                },
            );
        }
    }

    pub(super) fn on_unsubscribe(&mut self, id: ConnectionId, unsubscribe: &Unsubscribe) {
        let held = self.end_feed(id, &unsubscribe.entity_type);
        let code = if held { "done" } else { "not_held" };
        self.send(
            id,
            &ServerMessage::Unsubscribed(Unsubscribed {
                id: Some(unsubscribe.id),
                entity_type: unsubscribe.entity_type.clone(),
                code: code.to_owned(),
                resubscribe: false,
            }),
        );
    }

    /// Ends a subscription on the server's side; the client is told behind what waits already.
    pub(super) fn end_subscription(
        &mut self,
        id: ConnectionId,
        entity_type: &EntityType,
        code: &str,
    ) {
        if self.end_feed(id, entity_type) {
            self.send(id, &unsubscribed(entity_type, code, Again::Yes));
        }
    }

    /// Drops a subscription and everything that is held for it. Whether there was one.
    pub(super) fn end_feed(&mut self, id: ConnectionId, entity_type: &EntityType) -> bool {
        let Some(client) = self.client(id) else {
            return false;
        };
        let Some(mut feed) = client.feeds.remove(entity_type) else {
            return false;
        };
        client.ready.retain(|(_, ready)| ready != entity_type);
        client.snapshots.remove(entity_type);
        client
            .snapshot_line
            .retain(|waiting| waiting != entity_type);
        let mut points = Vec::new();
        client.waiting.retain(|waiting| {
            let drops = matches!(waiting.what, Waiting::Snapshot { .. })
                && waiting.entity_type == *entity_type;
            if drops {
                points.push(waiting.until);
            }
            !drops
        });
        for until in points {
            self.stop_waiting(id, entity_type, until);
        }
        self.streams.detach(entity_type, id);
        if let Some(ticket) = feed.ticket()
            && let Some(Asked::Snapshot { .. }) = self.stop_asking(ticket)
        {
            self.outputs.push_back(Output::DropSnapshot { ticket });
        }
        let held = feed.held_mut().map(std::mem::take);
        for answer in held.unwrap_or_default() {
            self.release_held(id, answer);
        }
        self.release_answers(id);
        self.open_snapshots(id);
        true
    }

    pub(super) fn on_rights_changed(&mut self, principal: Option<&str>) {
        let ids: Vec<ConnectionId> = self.connections.keys().copied().collect();
        for id in ids {
            let Some(client) = self.client(id) else {
                continue;
            };
            if principal.is_some_and(|name| name != client.principal.name) {
                continue;
            }
            let feeds: Vec<_> = client
                .feeds
                .iter()
                .map(|(name, feed)| (name.clone(), feed.view.clone()))
                .collect();
            for (entity_type, before) in feeds {
                let view = self.view(id, &entity_type);
                if view.as_ref() != Some(&before) {
                    self.end_subscription(id, &entity_type, "rights");
                }
            }
            self.drop_forbidden_answers(id);
        }
    }

    /// What the principal of a connection sees of a stream.
    pub(super) fn view(&self, id: ConnectionId, entity_type: &EntityType) -> Option<String> {
        let connection = self.connections.get(&id)?;
        let Phase::Ready(client) = &connection.phase else {
            return None;
        };
        self.settings
            .rights
            .may_read(&client.principal, entity_type)
    }

    pub(super) fn set_feed(
        &mut self,
        id: ConnectionId,
        entity_type: &EntityType,
        state: FeedState,
    ) {
        if let Some(feed) = self
            .client(id)
            .and_then(|client| client.feeds.get_mut(entity_type))
        {
            feed.state = state;
        }
    }

    pub(super) fn rate_subscribe(&mut self, id: ConnectionId, request: RequestId, wait_ms: u64) {
        self.refuse_subscribe(id, request, ("rate", Class::Retry), Some(wait_ms));
    }

    pub(super) fn refuse_subscribe(
        &mut self,
        id: ConnectionId,
        request: RequestId,
        (code, class): (&str, Class),
        retry_after_ms: Option<u64>,
    ) {
        let error = RequestError {
            id: request,
            code: code.to_owned(),
            class,
            retry_after_ms,
        };
        self.send(id, &ServerMessage::SubscribeError(error));
    }
}

/// Whether the client is to subscribe again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Again {
    Yes,
    No,
}

/// The end of a subscription, on the server's account.
pub(super) fn unsubscribed(entity_type: &EntityType, code: &str, again: Again) -> ServerMessage {
    ServerMessage::Unsubscribed(Unsubscribed {
        id: None,
        entity_type: entity_type.clone(),
        code: code.to_owned(),
        resubscribe: again == Again::Yes,
    })
}
