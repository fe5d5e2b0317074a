/*
 * supervisor_hotplug.c - what the children are told, when the machine's devices change or the files
 * are read anew. It refuses to know which device is which port (hotplug_plan.c).
 *
 * The tricky idea: everything is made anew from what the files say and what there is, then compared
 * with what was; so an event that changes nothing for us costs no message. The links come before
 * the children are told: what they hear of can be opened.
 */
#include "supervisor_internal.h"
#include "clock.h"

#include "log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#define RETRY_MS 1000 /* when memory or descriptors are short */

/* ---- what is logged once ---- */

void
supervisor_log_lines(const char *text)
{
	char *copy = strdup(text), *line, *rest = copy;

	if (copy == NULL)
		return;
	while ((line = strsep(&rest, "\n")) != NULL)
		if (*line != '\0')
			log_line("%s", line);
	free(copy);
}

/* *last: what was logged of that kind. */
static void
log_change(char **last, const char *text)
{
	if (strcmp(*last != NULL ? *last : "", text) == 0)
		return;
	supervisor_log_lines(text);
	free(*last);
	*last = strdup(text); /* NULL: it is logged twice */
}

static const struct hotplug_link *
find_link(const struct hotplug_plan *plan, const char *port)
{
	size_t i;

	for (i = 0; i < plan->link_count; i++)
		if (strcmp(plan->links[i].port, port) == 0)
			return &plan->links[i];
	return NULL;
}

/* The links of `some` that `others` has not. */
static void
log_links(const char *what, const struct hotplug_plan *some, const struct hotplug_plan *others)
{
	const struct hotplug_link *other;
	char node[128];
	size_t i;

	for (i = 0; i < some->link_count; i++) {
		other = find_link(others, some->links[i].port);
		if (other == NULL || strcmp(other->node, some->links[i].node) != 0)
			log_line("hotplug %s node=%s port=%s", what,
				 log_quote(some->links[i].node, node, sizeof(node)),
				 some->links[i].port);
	}
}

/* ---- the plan ---- */

static bool
is_needed(const struct config *written)
{
	size_t i;

	for (i = 0; i < written->port_count; i++)
		if (config_is_identified(&written->ports[i]))
			return true;
	return written->template_count > 0;
}

/* Udev is asked only where somebody wants to know. */
static void
watch_devices(struct supervisor *s, const struct config *written)
{
	char error[CONFIG_ERROR_MAX] = "";

	if (!is_needed(written)) {
		hotplug_close(s->hotplug);
		s->hotplug = NULL;
	} else if (s->hotplug == NULL) {
		hotplug_open(&s->hotplug, error);
		log_change(&s->told_udev, error);
	}
}

/* The plan and its text for the children; what is wrong has been logged. */
static int
make_plan(struct supervisor *s, const struct config *written, const struct hotplug_plan *before,
	  struct hotplug_plan *plan)
{
	char notes[CONFIG_ERROR_MAX] = "";
	const struct hotplug_device *devices = NULL;
	size_t count = 0;
	int error;

	if (s->hotplug != NULL)
		devices = hotplug_devices(s->hotplug, &count);
	error = hotplug_plan_make(plan, written, devices, count, s->folder, hotplug_follow_link,
				  before, notes);
	log_change(&s->told_notes, error == -ENOMEM ? "hotplug error=no memory" : notes);
	return error;
}

static void
set_links(struct supervisor *s, const struct hotplug_plan *plan)
{
	char error[CONFIG_ERROR_MAX] = "";

	if (is_needed(&s->written))
		hotplug_link_set(s->folder, plan->links, plan->link_count, error);
	else
		hotplug_link_remove(s->folder);
	log_change(&s->told_links, error);
}

static bool
has_same_links(const struct hotplug_plan *a, const struct hotplug_plan *b)
{
	const struct hotplug_link *other;
	size_t i;

	for (i = 0; i < a->link_count; i++) {
		other = find_link(b, a->links[i].port);
		if (other == NULL || strcmp(other->node, a->links[i].node) != 0)
			return false;
	}
	return a->link_count == b->link_count;
}

/* The plan becomes ours, the old one is returned in its place. */
static void
exchange(struct supervisor *s, struct hotplug_plan *plan)
{
	struct hotplug_plan old = s->plan;

	s->plan = *plan;
	s->config = s->plan.config;
	*plan = old;
}

/* Links, log, and with a new text the children. The plan is taken over. */
static void
carry_out(struct supervisor *s, struct hotplug_plan *plan, int text)
{
	log_links("remove", &s->plan, plan);
	log_links("add", plan, &s->plan);
	set_links(s, plan);
	exchange(s, plan);
	if (text >= 0) {
		close(s->config_fd);
		s->config_fd = text;
		supervisor_apply(s, &plan->config);
	}
	hotplug_plan_free(plan);
}

/* ---- when ---- */

static void
replan(struct supervisor *s)
{
	struct hotplug_plan plan;
	bool is_same;
	int text = -1, error;

	s->replan_ms = UINT64_MAX;
	error = make_plan(s, &s->written, &s->plan, &plan);
	if (error == -ENOMEM)
		s->replan_ms = clock_now_ms() + RETRY_MS;
	if (error < 0)
		return;
	is_same = hotplug_plan_is_same(&s->plan, &plan);
	if (!is_same)
		text = supervisor_config_file(&plan.config);
	if (!is_same && text < 0) {
		log_line("hotplug error=%s; once more in a second", strerror(-text));
		s->replan_ms = clock_now_ms() + RETRY_MS;
	} else if (!is_same || !has_same_links(&s->plan, &plan)) {
		carry_out(s, &plan, text);
		return;
	}
	hotplug_plan_free(&plan);
}

void
supervisor_hotplug_event(struct supervisor *s)
{
	if (s->hotplug != NULL && hotplug_receive(s->hotplug))
		replan(s);
}

void
supervisor_hotplug_retry(struct supervisor *s)
{
	if (s->replan_ms > clock_now_ms())
		return;
	if (s->hotplug != NULL)
		hotplug_refresh(s->hotplug);
	replan(s);
}

int
supervisor_hotplug_reload(struct supervisor *s, struct config *new)
{
	struct hotplug_plan plan;
	int error, text;

	watch_devices(s, new);
	if (s->hotplug != NULL)
		hotplug_refresh(s->hotplug);
	error = make_plan(s, new, NULL, &plan);
	if (error < 0) {
		watch_devices(s, &s->written);
		return error;
	}
	text = supervisor_config_file(&plan.config);
	if (text < 0) {
		hotplug_plan_free(&plan);
		watch_devices(s, &s->written);
		return text;
	}
	config_free(&s->written);
	s->written = *new;
	s->readings++;
	s->replan_ms = UINT64_MAX;
	carry_out(s, &plan, text);
	return 0;
}

int
supervisor_hotplug_start(struct supervisor *s)
{
	const char *slash = strrchr(s->written.socket, '/');
	int error;

	if (asprintf(&s->folder, "%.*s/port", (int)(slash - s->written.socket), s->written.socket) <
	    0) {
		s->folder = NULL;
		return EX_OSERR;
	}
	watch_devices(s, &s->written);
	error = make_plan(s, &s->written, NULL, &s->plan);
	if (error < 0)
		return error == -EINVAL ? EX_CONFIG : EX_OSERR;
	s->config = s->plan.config;
	s->config_fd = supervisor_config_file(&s->config);
	if (s->config_fd < 0) {
		log_line("start error=%s", strerror(-s->config_fd));
		return EX_OSERR;
	}
	log_links("add", &s->plan, &(struct hotplug_plan){ .link_count = 0 });
	set_links(s, &s->plan);
	return EX_OK;
}

void
supervisor_hotplug_stop(struct supervisor *s)
{
	if (s->folder != NULL)
		hotplug_link_remove(s->folder);
	hotplug_close(s->hotplug);
	hotplug_plan_free(&s->plan);
	config_free(&s->written);
	free(s->told_udev);
	free(s->told_notes);
	free(s->told_links);
	free(s->folder);
}
