/*
 * test_seccomp_elf.c - which programs the shim can't be loaded into: by files made here, byte by
 * byte, and by those that are there.
 */
#include "../client/seccomp.h"

#include <check.h>
#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support.h"

#define GNU    "/lib64/ld-linux-x86-64.so.2"
#define STATIC "is linked statically"

static char folder[] = "/tmp/comlease-elf.XXXXXX";
static char file[128];

static void
begin(void)
{
	memcpy(folder + sizeof(folder) - 7, "XXXXXX", 6);
	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(file, sizeof(file), "%s/program", folder);
}

static void
end(void)
{
	char command[160];

	snprintf(command, sizeof(command), "rm -r %s", folder);
	ck_assert_int_eq(system(command), 0);
}

static void
write_file(const char *path, const void *bytes, size_t size)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, bytes, size), (ssize_t)size);
	close(fd);
}

struct program {
	Elf64_Ehdr header;
	Elf64_Phdr segments[2];
	char loader[64];
};

/* Of our own machine. */
static struct program
program(unsigned type, const char *loader)
{
	struct program p = { .header = { .e_type = (Elf64_Half)type,
					 .e_version = EV_CURRENT,
					 .e_phoff = sizeof(Elf64_Ehdr),
					 .e_ehsize = sizeof(Elf64_Ehdr),
					 .e_phentsize = sizeof(Elf64_Phdr),
					 .e_phnum = 2 },
			     .segments = { { .p_type = PT_LOAD } } };
	int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	Elf64_Ehdr own;

	ck_assert_int_eq(read(self, &own, sizeof(own)), sizeof(own));
	close(self);
	memcpy(p.header.e_ident, own.e_ident, sizeof(own.e_ident));
	p.header.e_machine = own.e_machine;
	p.segments[1].p_type = loader != NULL ? PT_INTERP : PT_NOTE;
	p.segments[1].p_offset = offsetof(struct program, loader);
	snprintf(p.loader, sizeof(p.loader), "%s", loader != NULL ? loader : "");
	return p;
}

static void
expect(const char *reason)
{
	const char *found = seccomp_elf_reason(file, false);

	if (reason == NULL)
		ck_assert_ptr_null(found);
	else
		ck_assert_pstr_eq(found, reason);
}

static void
expect_program(const struct program *p, const char *reason)
{
	write_file(file, p, sizeof(*p));
	expect(reason);
}

START_TEST(program_without_a_loader_is_static)
{
	struct program p = program(ET_EXEC, NULL), pie = program(ET_DYN, NULL);

	expect_program(&p, STATIC);
	expect_program(&pie, STATIC);
}
END_TEST

START_TEST(program_with_the_gnu_loader_takes_the_shim)
{
	struct program p = program(ET_EXEC, GNU), pie = program(ET_DYN, GNU);

	expect_program(&p, NULL);
	expect_program(&pie, NULL);
}
END_TEST

START_TEST(program_with_another_loader_or_machine_does_not)
{
	struct program musl = program(ET_DYN, "/lib/ld-musl-x86_64.so.1");
	struct program machine = program(ET_DYN, "/lib/ld-linux-other.so.1");

	expect_program(&musl, "uses another C library");
	machine.header.e_machine = EM_MMIX;
	expect_program(&machine, "is made for another machine");
}
END_TEST

START_TEST(program_of_32_bits_takes_the_shim_if_there_is_one_for_it)
{
	struct {
		Elf32_Ehdr header;
		Elf32_Phdr segment;
		char loader[32];
	} p = { .header = { .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS32 },
			    .e_type = ET_DYN,
			    .e_machine = EM_386,
			    .e_phoff = sizeof(Elf32_Ehdr),
			    .e_phentsize = sizeof(Elf32_Phdr),
			    .e_phnum = 1 },
		.segment = { .p_type = PT_INTERP,
			     .p_offset = sizeof(Elf32_Ehdr) + sizeof(Elf32_Phdr) },
		.loader = "/lib/ld-linux.so.2" };

	write_file(file, &p, sizeof(p));
	expect("is a 32-bit program");
	ck_assert_ptr_null(seccomp_elf_reason(file, true));
	p.segment.p_type = PT_LOAD;
	write_file(file, &p, sizeof(p));
	expect(STATIC);
	ck_assert_pstr_eq(seccomp_elf_reason(file, true), STATIC);
}
END_TEST

START_TEST(interpreter_of_a_script_is_what_counts)
{
	struct program p = program(ET_EXEC, NULL);
	char script[160], text[320];

	expect_program(&p, STATIC);
	snprintf(script, sizeof(script), "%s/script", folder);
	snprintf(text, sizeof(text), "#! \t%s sh -e\necho\n", file);
	write_file(script, text, strlen(text));
	ck_assert_pstr_eq(seccomp_elf_reason(script, false), STATIC);
	snprintf(text, sizeof(text), "#!%s\n", script); /* a script's script */
	snprintf(script, sizeof(script), "%s/outer", folder);
	write_file(script, text, strlen(text));
	ck_assert_pstr_eq(seccomp_elf_reason(script, false), STATIC);
	write_file(script, "#!/bin/sh\n", 10);
	ck_assert_ptr_null(seccomp_elf_reason(script, false));
}
END_TEST

START_TEST(of_a_script_by_env_that_program_counts_which_env_looks_for)
{
	static const char *const found[] = {
		"#!/usr/bin/env program\n",           "#! /bin/env\tprogram \n",
		"#!/usr/bin/env -S program -e\n",     "#!env -Sprogram",
		"#!/usr/bin/env -S -i A=b program\n", "#!/usr/bin/env inner-script\n"
	};
	static const char *const none[] = { "#!/usr/bin/env sh\n", "#!/usr/bin/env\n",
					    "#!/usr/bin/env comlease-absent\n",
					    "#!/usr/bin/env -S A=b\n",
					    "#!/usr/bin/environment program" };
	struct program p = program(ET_EXEC, NULL);
	char script[160], text[320];

	expect_program(&p, STATIC);
	snprintf(text, sizeof(text), "/bin:%s:/usr/bin", folder);
	setenv("PATH", text, 1);
	snprintf(script, sizeof(script), "%s/inner-script", folder);
	snprintf(text, sizeof(text), "#!%s\n", file);
	write_file(script, text, strlen(text));
	snprintf(script, sizeof(script), "%s/outer", folder);
	for (size_t i = 0; i < sizeof(found) / sizeof(found[0]); i++) {
		write_file(script, found[i], strlen(found[i]));
		ck_assert_pstr_eq(seccomp_elf_reason(script, false), STATIC);
	}
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		write_file(script, none[i], strlen(none[i]));
		ck_assert_ptr_null(seccomp_elf_reason(script, false));
	}
}
END_TEST

START_TEST(script_that_is_its_own_interpreter_is_nothing)
{
	char text[160];

	snprintf(text, sizeof(text), "#!%s", file);
	write_file(file, text, strlen(text));
	expect(NULL);
}
END_TEST

/* No answer, no fault; a whole one is static. */
START_TEST(part_of_a_program_is_nothing)
{
	struct program p = program(ET_EXEC, NULL);

	for (size_t size = 0; size < offsetof(struct program, loader); size++) {
		write_file(file, &p, size);
		expect(NULL);
	}
	expect_program(&p, STATIC);
	p.header.e_phentsize = 1;
	expect_program(&p, NULL);
	p.header.e_phentsize = sizeof(Elf64_Phdr);
	p.header.e_phoff = (Elf64_Off)-1;
	expect_program(&p, NULL);
	p = program(ET_REL, NULL);
	expect_program(&p, NULL);
}
END_TEST

START_TEST(what_is_no_program_is_nothing)
{
	static const char *const texts[] = { "",       "#",       "#!",          "#! \n",
					     "echo\n", "\177ELF", "#!/nothing\n" };

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		write_file(file, texts[i], strlen(texts[i]));
		expect(NULL);
	}
	ck_assert_ptr_null(seccomp_elf_reason("/nothing", false));
	ck_assert_ptr_null(seccomp_elf_reason("/", false));
	ck_assert_ptr_null(seccomp_elf_reason("", false));
	ck_assert_int_eq(unlink(file), 0);
	ck_assert_int_eq(mkfifo(file, 0600), 0); /* nobody writes to it */
	expect(NULL);
}
END_TEST

START_TEST(programs_that_are_there_are_recognised)
{
	char self[400] = "";

	ck_assert_ptr_null(seccomp_elf_reason("/proc/self/exe", false));
	ck_assert_int_gt(readlink("/proc/self/exe", self, sizeof(self) - 20), 0);
	strcpy(strrchr(self, '/'), "/seccomp_client");
	ck_assert_pstr_eq(seccomp_elf_reason(self, false), STATIC);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("seccomp_elf");
	TCase *tc = tcase_create("seccomp_elf");

	tcase_add_checked_fixture(tc, begin, end);
	suite_add_tcase(s, tc);
	tcase_add_test(tc, program_without_a_loader_is_static);
	tcase_add_test(tc, program_with_the_gnu_loader_takes_the_shim);
	tcase_add_test(tc, program_with_another_loader_or_machine_does_not);
	tcase_add_test(tc, program_of_32_bits_takes_the_shim_if_there_is_one_for_it);
	tcase_add_test(tc, interpreter_of_a_script_is_what_counts);
	tcase_add_test(tc, of_a_script_by_env_that_program_counts_which_env_looks_for);
	tcase_add_test(tc, script_that_is_its_own_interpreter_is_nothing);
	tcase_add_test(tc, part_of_a_program_is_nothing);
	tcase_add_test(tc, what_is_no_program_is_nothing);
	tcase_add_test(tc, programs_that_are_there_are_recognised);
	return s;
}

int
main(void)
{
	return support_run(suite());
}
