/* Says of each option that it is asked for what is in force and who set it; with -DCONF it sets some itself. */
#include <arca/arca.h>
#include <stdio.h>

#ifdef CONF
const char *arca_conf = "purge=2s,cache=2k,sweep=off";
#endif

int main(int count, char **names)
{
    char value[300];
    for (int i = 1; i < count; i++) {
        if (!arca_option_text(names[i], value, sizeof value))
            return 1;
        printf("%s=%s %s\n", names[i], value, arca_option_source(names[i]));
    }
    return 0;
}
