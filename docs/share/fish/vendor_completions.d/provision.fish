# fish completion for provision
function __provision_complete
    set -l words (commandline -opc)
    set -l last (commandline -ct)
    set -l prefix (string match -r '^--[^=]+=' -- $last)
    set -l value (string replace -r '^--[^=]+=' '' -- $last)
    for line in ($words[1] __complete $words[2..-1] "$last" 2>/dev/null)
        switch $line
            case :files
                printf '%s\n' "$prefix"(__fish_complete_path "$value")
            case :directories
                printf '%s\n' "$prefix"(__fish_complete_directories "$value")
            case '*'
                printf '%s\n' "$prefix$line"
        end
    end
end
complete -c provision -f -a '(__provision_complete)'
