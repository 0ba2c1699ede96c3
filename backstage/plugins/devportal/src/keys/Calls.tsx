/* How the API is called with the key, in the reader's language. */
import { Flex, Tab, TabList, TabPanel, Tabs, Text } from '@backstage/ui';
import { Code, useWords } from '../shown';
import { snippets } from './snippets';
import type { Target } from './snippets';

export function Calls({ target }: { target: Target }) {
  const t = useWords();
  const all = snippets(target);
  if (all.length === 0) {
    return <Text>{t('keys.one.snippetsNone')}</Text>;
  }
  return (
    <Flex direction="column" gap="3">
      <Text color="secondary">{t('keys.one.snippetsAbout')}</Text>
      <Tabs>
        <TabList aria-label={t('keys.one.language')}>
          {all.map(({ id, language }) => (
            <Tab key={id} id={id}>
              {language}
            </Tab>
          ))}
        </TabList>
        {all.map(({ id, language, code }) => (
          <TabPanel key={id} id={id} style={{ paddingTop: 12 }}>
            <Code code={code} label={language} />
          </TabPanel>
        ))}
      </Tabs>
    </Flex>
  );
}
